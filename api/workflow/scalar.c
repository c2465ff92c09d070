/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain YAML scalars by the core schema of YAML 1.2: what is a number, what is a word. Numbers
 * become JSON by moving digits, never by arithmetic that rounds.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/workflow/document.h"
#include "sandbox/base/own.h"

enum { HEX_DIGITS_MAX = 15, OCTAL_DIGITS_MAX = 20 }; /* what 63 bits hold */

static const struct word {
    const char *text;
    enum cl_wnode_kind kind;
} words[] = {
    { "", CL_W_NULL },       { "~", CL_W_NULL },      { "null", CL_W_NULL },
    { "Null", CL_W_NULL },   { "NULL", CL_W_NULL },   { "true", CL_W_TRUE },
    { "True", CL_W_TRUE },   { "TRUE", CL_W_TRUE },   { "false", CL_W_FALSE },
    { "False", CL_W_FALSE }, { "FALSE", CL_W_FALSE },
};

static const char *const not_json[] = { ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF" };

/* The parts of a decimal number; views into the scalar. */
struct decimal {
    bool is_negative, has_point, has_exponent;
    const char *whole, *fraction, *exponent;
    size_t whole_length, fraction_length, exponent_length;
};

static size_t digits(const char *text, const char *set)
{
    return strspn(text, set);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(const char *text, struct decimal *parts)
{
    static const char ten[] = "0123456789";

    *parts = (struct decimal){ .is_negative = *text == '-' };
    text += *text == '-' || *text == '+';
    parts->whole = text;
    parts->whole_length = digits(text, ten);
    text += parts->whole_length;
    parts->has_point = *text == '.';
    text += parts->has_point;
    parts->fraction = text;
    parts->fraction_length = parts->has_point ? digits(text, ten) : 0;
    text += parts->fraction_length;
    if (parts->whole_length + parts->fraction_length == 0)
        return false;
    if (*text != 'e' && *text != 'E')
        return *text == '\0';
    parts->has_exponent = true;
    parts->exponent = ++text;
    text += *text == '-' || *text == '+';
    parts->exponent_length = digits(text, ten);
    text += parts->exponent_length;
    parts->exponent_length = (size_t)(text - parts->exponent);
    return *text == '\0' && strchr(ten, text[-1]) != NULL;
}

/* JSON has no leading plus or zeros, and wants digits on both sides of a point. */
static void put_decimal(struct cl_wtree *tree, const struct decimal *parts,
                        struct cl_wnode *node)
{
    size_t zeros = 0;

    while (zeros < parts->whole_length && parts->whole[zeros] == '0')
        zeros++;

    const size_t whole = parts->whole_length - zeros;
    const size_t most =
        whole + parts->fraction_length + parts->exponent_length + sizeof("-0.0e");
    char *made = cl_wtree_room(tree, most);
    const int length =
        snprintf(made, most, "%s%.*s%s%.*s%s%.*s", parts->is_negative ? "-" : "",
                 whole ? (int)whole : 1, whole ? parts->whole + zeros : "0",
                 !parts->has_point            ? ""
                 : parts->fraction_length > 0 ? "."
                                              : ".0",
                 (int)parts->fraction_length, parts->fraction, parts->has_exponent ? "e" : "",
                 (int)parts->exponent_length, parts->has_exponent ? parts->exponent : "");

    CL_CHECK(length > 0 && (size_t)length < most);
    node->kind = CL_W_NUMBER;
    node->text = made;
    node->length = (size_t)length;
}

/* 0x1F and 0o17, as far as they fit; longer ones stay words, and say so nowhere: nobody writes
 * them. */
static bool take_based(struct cl_wtree *tree, const char *text, struct cl_wnode *node)
{
    const bool is_hex = strncmp(text, "0x", 2) == 0;
    const char *set = is_hex ? "0123456789abcdefABCDEF" : "01234567";
    const size_t length = strlen(text + 2);

    if (length == 0 || length > (size_t)(is_hex ? HEX_DIGITS_MAX : OCTAL_DIGITS_MAX) ||
        digits(text + 2, set) != length)
        return false;

    char made[24];
    const uint64_t value = strtoull(text + 2, NULL, is_hex ? 16 : 8);
    node->length = (size_t)snprintf(made, sizeof(made), "%llu", (unsigned long long)value);
    node->text = cl_wtree_copy(tree, made, node->length);
    node->kind = CL_W_NUMBER;
    return true;
}

int cl_document_scalar(struct cl_wtree *tree, const char *text, size_t length,
                       struct cl_wnode *node)
{
    struct decimal parts;

    for (size_t i = 0; i < CL_COUNT(words); i++) {
        if (strcmp(text, words[i].text) == 0) {
            node->kind = words[i].kind;
            return 0;
        }
    }
    for (size_t i = 0; i < CL_COUNT(not_json); i++) {
        if (strcmp(text + (*text == '-' || *text == '+'), not_json[i]) == 0)
            return -1;
    }
    if (is_decimal(text, &parts)) {
        put_decimal(tree, &parts, node);
        return 0;
    }
    if ((strncmp(text, "0x", 2) == 0 || strncmp(text, "0o", 2) == 0) &&
        take_based(tree, text, node))
        return 0;
    node->kind = CL_W_STRING;
    node->text = text;
    node->length = length;
    return 0;
}
