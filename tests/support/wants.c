/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a call and compares its end with the one that was expected.
 * Runs in: unit tests.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <stdio.h>
#include <string.h>

struct case_zygote wants_zygote;

int wants_open(const struct case_policy *policy)
{
    struct cl_err err = CL_ERR_INIT;

    if (case_zygote_start(&wants_zygote, policy, &err) == 0)
        return 0;
    print_error("zygote: %s\n", err.text);
    return -1;
}

int wants_close(void **state)
{
    (void)state;
    case_zygote_stop(&wants_zygote);
    return 0;
}

static void show(const struct case_end *end)
{
    print_error("final frame %u, status %x, place %d:%d\n", end->type, (unsigned)end->status,
                end->line, end->column);
    if (end->type == CL_F_RESULT)
        print_error("result: %s\n", (const char *)end->body.bytes);
    for (size_t i = 0; i < 3 && end->text[i]; i++)
        print_error("text: %s\n", end->text[i]);
    if (end->type == CL_F_LIMIT)
        print_error("limit: %s %lu\n", cl_limit_name(end->limit.limit), end->limit.value);
    if (end->type == CL_F_FAILED)
        print_error("failed: %s\n", ((const struct cl_err *)end->body.bytes)->text);
    print_error("stdout: %s\nstderr: %s\n", (const char *)end->out.bytes,
                (const char *)end->err_out.bytes);
}

void wants_call(const struct case_call *call, uint32_t final, struct case_end *end)
{
    case_run(&wants_zygote, call, end);
    if (end->type == final)
        return;
    show(end);
    fail_msg("ended with frame %u instead of %u:\n%s", end->type, final, call->source);
}

static void check(const struct case_end *end, const char *source, bool holds,
                  const char *wanted)
{
    if (holds)
        return;
    show(end);
    fail_msg("wanted %s:\n%s", wanted, source);
}

void wants_result(const char *source, const char *json)
{
    struct case_call call = { .source = source };
    struct case_end end;

    wants_call(&call, CL_F_RESULT, &end);
    check(&end, source, strcmp((const char *)end.body.bytes, json) == 0, json);
    case_end_fini(&end);
}

void wants_error(const char *source, const char *type, const char *message_part)
{
    struct case_call call = { .source = source };
    struct case_end end;

    wants_call(&call, CL_F_ERROR, &end);
    check(&end, source, strcmp(end.text[0], type) == 0, type);
    check(&end, source, strstr(end.text[1], message_part) != NULL, message_part);
    case_end_fini(&end);
}

void wants_denied(const char *source, const char *rule, const char *name)
{
    struct case_call call = { .source = source };
    struct case_end end;

    wants_call(&call, CL_F_DENIED, &end);
    check(&end, source, strcmp(end.text[0], rule) == 0, rule);
    check(&end, source, strcmp(end.text[1], name) == 0, name);
    check(&end, source, strstr(end.text[2], "is not allowed by policy '") != NULL,
          "the message");
    case_end_fini(&end);
}

void wants_limit(const char *source, enum cl_limit limit, uint64_t value)
{
    struct case_call call = { .source = source };
    struct case_end end;

    wants_call(&call, CL_F_LIMIT, &end);
    check(&end, source, end.limit.limit == limit && end.limit.value == value, "that limit");
    case_end_fini(&end);
}

static void write_source(char *source, size_t size, const char *expression)
{
    static const char head[] =
        "import collections, dataclasses, datetime, decimal, enum, fractions, itertools, uuid\n"
        "class Colour(enum.Enum):\n    RED = 'red'\n    PAIR = (1, 2)\n"
        "class Level(enum.IntEnum):\n    LOW = 1\n"
        "class Name(str, enum.Enum):\n    A = 'a'\n"
        "Point = collections.namedtuple('Point', 'x y')\n"
        "@dataclasses.dataclass\nclass Data:\n    a: int\n    b: object = None\n"
        "class Sly(dict):\n"
        "    def items(self): return [('a', 1), ('a', 2)]\n"
        "    def keys(self): return ['a', 'a']\n"
        "    def __iter__(self): return iter(['a', 'a'])\n"
        "class Key(str):\n"
        "    def __hash__(self): return id(self)\n"
        "    def __eq__(self, other): return self is other\n"
        "class Num(int):\n    def __str__(self): return 'x'\n    __repr__ = __str__\n"
        "class Fl(float):\n    def __repr__(self): return 'x'\n"
        "def chain(n):\n    x = 1\n    for _ in range(n): x = [x]\n    return x\n"
        "def self_list():\n    x = [0]\n    x.append(x)\n    return x\n";

    snprintf(source, size, "%sdef main():\n    return %s\n", head, expression);
}

void wants_value(const char *expression, const char *json)
{
    char source[8192];

    write_source(source, sizeof(source), expression);
    wants_result(source, json);
}

void wants_bad_value(const char *expression, const char *message)
{
    char source[8192];

    write_source(source, sizeof(source), expression);
    wants_error(source, "ResultError", message);
}
