# SPDX-License-Identifier: Apache-2.0
"""`python -m gleitzeit_v4.cli`: tasks and workflows on a Cloche, with the words of the `cloche` command.

Exit codes: 0 completed, 1 failed, 2 refused, 3 service not reachable."""

import argparse
import json
import pathlib
import sys
import time
import urllib.parse
import uuid

from .connection import Connection, ServiceError, Unreachable

COMPLETED, FAILED, REFUSED, UNREACHABLE = 0, 1, 2, 3
ENDED = frozenset({"completed", "failed", "cancelled", "timeout"})
PAUSE = 0.2  # seconds between two looks at what still runs


def show(value):
    print(json.dumps(value, indent=2, ensure_ascii=False))


def path_of(*parts):
    return "/v1/" + "/".join(urllib.parse.quote(part, safe=":") for part in parts)


def wait_for(connection, path):
    """The record of what has ended."""
    while True:
        record = connection.ask("GET", path)
        if record.get("status") in ENDED:
            return record
        time.sleep(PAUSE)


def refuse(text):
    print(text, file=sys.stderr)
    return REFUSED


def tell_failure(task):
    """Which task, why, and the traceback of what was the user's."""
    error, code = task.get("error") or "", task.get("error_code")
    head = f"Task {task.get('task_id')} {task['status']}" + (f": {error}" if error and "\n" not in error else "")
    print(head + (f" ({code})" if code else ""), file=sys.stderr)
    envelope = task.get("result") if isinstance(task.get("result"), dict) else {}
    for text in (error if "\n" in error else "", envelope.get("traceback") or ""):
        print(text, end="" if text.endswith("\n") or not text else "\n", file=sys.stderr)


def outcome(record, tasks):
    """The exit code of what has ended; says on stderr why tasks did not complete."""
    for task in tasks:
        if task["status"] != "completed":
            tell_failure(task)
    return COMPLETED if record["status"] == "completed" else FAILED


def read_json(text, what):
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SystemExit(refuse(f"{what}: {error}")) from None
    if not isinstance(value, dict):
        raise SystemExit(refuse(f"{what}: expected an object"))
    return value


def substitute(text, params):
    """A document with ${params.x} replaced by what --params gives. A quoted mark that stands alone becomes the
    value with its type (JSON is YAML, too), one inside of a longer text its characters."""
    for name, given in params.items():
        mark, whole = "${params." + name + "}", json.dumps(given)
        for quote in "\"'":
            text = text.replace(quote + mark + quote, whole)
        text = text.replace(mark, whole[1:-1] if isinstance(given, str) else whole)
    return text


# ------------------------------------------------------------------------------------------------ tasks

def task_of(record, task_id):
    tasks = record.get("tasks") or {}
    return tasks.get(task_id) or next(iter(tasks.values()), record)


def task_submit(connection, args):
    task = {"id": "task-" + uuid.uuid4().hex[:8], "protocol": args.protocol, "method": args.method,
            "params": read_json(args.params, "--params")}
    if args.priority:
        task["priority"] = args.priority
    if args.timeout is not None:
        task["timeout"] = args.timeout
    for other in args.depends_on or ():
        if wait_for(connection, path_of("tasks", other))["status"] != "completed":
            print(f"task {other} did not complete", file=sys.stderr)
            return FAILED
    connection.ask("POST", "/v1/tasks", task)
    print(f"Submitting task {task['id']}...")
    if not args.wait:
        return COMPLETED
    print("Waiting for completion...")
    found = task_of(wait_for(connection, path_of("tasks", task["id"])), task["id"])
    print(f"Task completed with status: {found['status']}")
    print("Result: " + json.dumps(found.get("result"), indent=2, ensure_ascii=False), flush=True)
    return outcome(found, [found])


def task_status(connection, args):
    show(connection.ask("GET", path_of("tasks", args.id)))
    return COMPLETED


# -------------------------------------------------------------------------------------------- workflows

def read_document(connection, args):
    """(normalised document, text to send, its type)."""
    try:
        text = pathlib.Path(args.file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SystemExit(refuse(f"{args.file}: {error}")) from None
    if args.params:
        text = substitute(text, read_json(args.params, "--params"))
    kind = "application/json" if args.file.endswith(".json") else "application/yaml"
    document = connection.ask("POST", "/v1/workflows:validate", text.encode(), content_type=kind)
    return document, text.encode(), kind


def tell_tasks(record, seen):
    for task_id, task in (record.get("tasks") or {}).items():
        if seen.get(task_id) != task["status"]:
            seen[task_id] = task["status"]
            print(f"{task_id}: {task['status']}")


def watch(connection, path):
    seen = {}
    while True:
        record = connection.ask("GET", path)
        tell_tasks(record, seen)
        if record.get("status") in ENDED:
            return record
        time.sleep(PAUSE)


def workflow_submit(connection, args):
    document, text, kind = read_document(connection, args)
    if args.dry_run:
        show(document)
        return COMPLETED
    answer = connection.ask("POST", "/v1/workflows", text, content_type=kind)
    print(f"Submitting workflow {answer['workflow_id']} with {len(document.get('tasks', ()))} tasks...")
    is_over = "tasks" in answer  # the document said wait_for_completion
    if not (args.wait or args.watch or is_over):
        return COMPLETED
    path = path_of("workflows", answer["workflow_id"])
    record = answer if is_over else watch(connection, path) if args.watch else wait_for(connection, path)
    tasks = list((record.get("tasks") or {}).values())
    done = sum(task["status"] == "completed" for task in tasks)
    print(f"Workflow completed with status: {record['status']}")
    print(f"Tasks: {done}/{len(tasks)} completed", flush=True)
    return outcome(record, tasks)


def workflow_status(connection, args):
    show(connection.ask("GET", path_of("workflows", args.id)))
    return COMPLETED


def workflow_cancel(connection, args):
    show(connection.ask("POST", path_of("workflows", args.id) + ":cancel"))
    return COMPLETED


def workflow_list(connection, args):
    del args
    show(connection.ask("GET", "/v1/workflows?status=active&limit=1000"))
    return COMPLETED


# ---------------------------------------------------------------------------------------------- arguments

def parser():
    top = argparse.ArgumentParser(prog="gleitzeit", description=__doc__.splitlines()[0])
    top.add_argument("--url", help="address of the service (CLOCHE_URL)")
    top.add_argument("--policy", help="the policy to run under")
    kinds = top.add_subparsers(dest="kind", required=True)

    task = kinds.add_parser("task", help="one task").add_subparsers(dest="verb", required=True)
    submit = task.add_parser("submit", help="run a method as a task")
    submit.add_argument("--protocol", default="python/v1")
    submit.add_argument("--method", required=True)
    submit.add_argument("--params", default="{}", metavar="JSON")
    submit.add_argument("--priority", choices=("urgent", "high", "normal", "low"))
    submit.add_argument("--timeout", type=int, metavar="SECONDS")
    submit.add_argument("--depends-on", action="append", metavar="ID")
    submit.add_argument("--wait", action="store_true")
    submit.set_defaults(run=task_submit)
    status = task.add_parser("status", help="the record of a task")
    status.add_argument("id")
    status.set_defaults(run=task_status)

    workflow = kinds.add_parser("workflow", help="workflows").add_subparsers(dest="verb", required=True)
    submit = workflow.add_parser("submit", help="run a workflow document")
    submit.add_argument("file")
    submit.add_argument("--params", metavar="JSON")
    submit.add_argument("--wait", action="store_true")
    submit.add_argument("--watch", action="store_true", help="tell how its tasks go")
    submit.add_argument("--dry-run", action="store_true", help="check it and show what would run")
    submit.set_defaults(run=workflow_submit)
    status = workflow.add_parser("status", help="the record of a workflow")
    status.add_argument("id")
    status.set_defaults(run=workflow_status)
    stop = workflow.add_parser("cancel", help="stop a workflow")
    stop.add_argument("id")
    stop.set_defaults(run=workflow_cancel)
    listing = workflow.add_parser("list-active", help="workflows that have not ended")
    listing.set_defaults(run=workflow_list)
    return top


def tell_refusal(error):
    problem = error.problem if isinstance(error.problem, dict) else {}
    told = problem.get("error") or {}
    print(told.get("message") or str(error), file=sys.stderr)
    for line in (told.get("data") or {}).get("errors", ()):
        print(f"  {line}", file=sys.stderr)
    return REFUSED


def main(arguments=None):
    args = parser().parse_args(arguments)
    try:
        return args.run(Connection(args.url, policy=args.policy), args)
    except ServiceError as error:
        return tell_refusal(error)
    except Unreachable as error:
        print(error, file=sys.stderr)
        return UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
