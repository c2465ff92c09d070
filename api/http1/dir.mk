# SPDX-License-Identifier: Apache-2.0
JSON_SRC := api/json/scan.c api/json/keys.c api/json/text.c api/json/view.c api/json/put.c
HEAD_SRC := api/http1/head.c api/http1/target.c
HTTP_SRC := $(wildcard api/http1/*.c) api/status.c $(JSON_SRC)

UNIT += test_head test_body test_conn test_connends test_httpfaults test_server test_tls test_charge test_peers
UNIT += test_jsonscan test_status test_secure test_linger
test_secure_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_secure_LIBS := $(HTTP_LIBS)
test_head_SRC := $(HEAD_SRC)
test_body_SRC := api/http1/body.c $(HEAD_SRC)
test_conn_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_conn_LIBS := $(HTTP_LIBS)
test_connends_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_connends_LIBS := $(HTTP_LIBS)
test_httpfaults_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_httpfaults_LIBS := $(HTTP_LIBS)
refused := cl_buf_put cl_buf_put_text cl_buf_format bufferevent_write bufferevent_write_buffer \
           bufferevent_enable bufferevent_socket_new evbuffer_pullup writev evbuffer_write \
           event_base_loop calloc getrandom evconnlistener_new cl_status_format
test_httpfaults_LDFLAGS := $(refused:%=-Wl,--wrap=%)
test_server_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_server_LIBS := $(HTTP_LIBS)
test_tls_SRC := $(HTTP_SRC) tests/support/http_peer.c tests/support/tls_pair.c
test_tls_LIBS := $(HTTP_LIBS)
test_charge_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_charge_LIBS := $(HTTP_LIBS)
test_linger_SRC := $(HTTP_SRC) tests/support/http_peer.c
test_linger_LIBS := $(HTTP_LIBS)
test_peers_SRC := api/http1/peers.c
test_jsonscan_SRC := $(JSON_SRC)
test_status_SRC := $(HTTP_SRC)
test_status_LIBS := $(HTTP_LIBS)

FUZZERS += fuzz_head fuzz_body fuzz_json
fuzz_head_SRC := $(HEAD_SRC) api/trace.c api/field.c
fuzz_head_LIBS := -lsodium
fuzz_body_SRC := api/http1/body.c $(HEAD_SRC)
fuzz_json_SRC := $(JSON_SRC)

# What this server understands of a request, for comparing it with another one.
TOOLS += http-echo
http-echo_SRC := tests/support/http_echo.c $(HTTP_SRC)
http-echo_LIBS := $(HTTP_LIBS)

pytest: $(BIN)/http-echo
