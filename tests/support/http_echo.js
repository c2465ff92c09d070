// SPDX-License-Identifier: Apache-2.0
// What Node's own parser (llhttp, as its HTTP server sets it up) understands of the bytes of one
// connection: a line of hex in, a line of JSON out, in the shape of http_echo.c.
"use strict";
const { HTTPParser, methods, allMethods } = process.binding("http_parser");
const names = allMethods || methods; // by the release of Node

function hex(text) {
  return Buffer.from(text, "latin1").toString("hex");
}

function fieldsOf(raw) {
  const fields = [];
  for (let i = 0; i < raw.length; i += 2) {
    fields.push([raw[i].toLowerCase(), hex(raw[i + 1])]);
  }
  return fields;
}

function read(bytes) {
  const parser = new HTTPParser();
  const requests = [];
  let raw = [];
  let target = "";
  let open = null;

  parser.initialize(HTTPParser.REQUEST, {});
  // Called first when there are more fields than fit in one call.
  parser[HTTPParser.kOnHeaders] = (fields, url) => {
    raw = raw.concat(fields);
    target += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, fields, method, url) => {
    raw = raw.concat(fields || []);
    target += url || "";
    open = { method: hex(names[method]), target: hex(target), fields: fieldsOf(raw), body: "" };
    raw = [];
    target = "";
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
    // Older ones hand over their whole buffer.
    const part = offset === undefined ? chunk : chunk.subarray(offset, offset + length);
    open.body += Buffer.from(part).toString("hex");
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    requests.push(open);
    open = null;
    raw = [];
  };
  const outcome = parser.execute(bytes);
  return { requests, error: outcome instanceof Error ? outcome.code : null };
}

const lines = require("readline").createInterface({ input: process.stdin });
lines.on("line", (line) => console.log(JSON.stringify(read(Buffer.from(line, "hex")))));
