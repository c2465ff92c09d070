/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the tiers that are nearest to a profile, and what has to be allowed and denied beside
 * them. Where the profile and a tier disagree, what is stricter wins.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the tables; nothing of the profile.
 */
#include "policies/oci.h"

#include <string.h>

#include "policies/policy.h"
#include "policies/profile.h"
#include "policies/risk.h"
#include "policies/rules.h"
#include "policies/table.h"
#include "policies/value.h"
#include "sandbox/base/own.h"

enum { WORD_SIZE = 32, RIGHT = 96 };

static const struct cl_place nowhere = { NULL, 0, 0, 0 };

/* How far the profile goes for a call that it may not name. One that opens by default grants
 * only what a worker cannot do without, see choose_tiers(). */
static enum cl_openness asked(const struct cl_profile *profile, const char *name)
{
    const struct cl_profile_call *call = cl_profile_find(profile, name);

    if (!call)
        return profile->opens_by_default ? CL_OPEN_ANY : CL_OPEN_NOT;
    return call->is_denied ? CL_OPEN_NOT : call->open;
}

static bool is_needed(const char *name)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (cl_rules[i].is_needed && strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

/* ----------------------------------------------------------------------------------- tiers */

static bool is_first(size_t index, uint32_t tier)
{
    for (size_t i = 0; i < index; i++) {
        if ((cl_rules[i].tiers & tier) && cl_rules[i].answer == CL_ANSWER_ALLOW &&
            strcmp(cl_rules[i].name, cl_rules[index].name) == 0)
            return false;
    }
    return true;
}

/* Three of four calls that the tier opens; the others are denied one by one. */
static bool is_near(const struct cl_profile *profile, const struct cl_spec *with, uint32_t tier)
{
    size_t all = 0, wanted = 0;

    for (size_t i = 0; i < cl_rules_count; i++) {
        const char *name = cl_rules[i].name;
        if (!(cl_rules[i].tiers & tier) || cl_rules[i].answer != CL_ANSWER_ALLOW ||
            !is_first(i, tier))
            continue;
        all++;
        wanted += asked(profile, name) >= cl_openness_of(with, name);
    }
    return 4 * wanted >= 3 * all;
}

static void name_of(uint64_t index, char word[WORD_SIZE])
{
    const struct cl_key words = { .type = CL_KEY_WORD,
                                  .words = cl_table_find("syscalls.tiers")->words };

    cl_value_format(&words, index, word, WORD_SIZE);
}

static void choose_tiers(const struct cl_profile *profile, struct cl_spec *spec)
{
    char word[WORD_SIZE];

    cl_items_fini(&spec->tiers);
    for (uint64_t i = 0; (1u << i) <= CL_TIER_TMP_FILES; i++) {
        uint32_t tier = 1u << i;
        name_of(i, word);
        cl_items_add(&spec->tiers, word, nowhere);
        if (tier == CL_TIER_COMPUTE || (profile->opens_by_default && tier == CL_TIER_TIME))
            continue;
        if (profile->opens_by_default || !is_near(profile, spec, tier))
            cl_items_drop(&spec->tiers, &spec->tiers.items[spec->tiers.count - 1]);
    }
}

/* ----------------------------------------------------------------------------------- calls */

/* A call that the tiers open: denied where the profile does not go as far. */
static void deny_one(const struct cl_profile *profile, struct cl_spec *spec, const char *name)
{
    const struct cl_profile_call *call = cl_profile_find(profile, name);
    const struct cl_place place = call ? call->place : profile->doc->root->place;
    enum cl_openness has = cl_openness_of(spec, name), wants = asked(profile, name);

    if (has == CL_OPEN_NOT || wants >= has)
        return;
    if (is_needed(name)) {
        cl_profile_note(profile, place, "'%s': stays open, no worker runs without it", name);
        return;
    }
    if (wants == CL_OPEN_SOME)
        cl_profile_note(profile, place,
                        "'%s': rules on arguments are not carried over, it is denied", name);
    cl_items_add(&spec->deny, name, place);
}

static void note_narrower(const struct cl_profile *profile, const struct cl_spec *spec,
                          const struct cl_profile_call *call)
{
    const struct cl_rule *rule = cl_openness_next(spec, NULL, call->name, NULL);

    if (cl_openness_of(spec, call->name) == CL_OPEN_SOME)
        cl_profile_note(profile, call->place,
                        "'%s': the tiers' own rules on arguments hold (%s)", call->name,
                        rule->why);
}

static void allow_one(const struct cl_profile *profile, struct cl_spec *spec,
                      const struct cl_profile_call *call)
{
    const struct cl_risk *risk = cl_risk_syscall(call->name);

    if (call->is_denied || call->open == CL_OPEN_NOT)
        return;
    if (cl_openness_of(spec, call->name) != CL_OPEN_NOT) {
        note_narrower(profile, spec, call);
        return;
    }
    if (cl_items_find(&spec->deny, call->name))
        return;
    if (call->open == CL_OPEN_SOME)
        cl_profile_note(profile, call->place,
                        "'%s': rules on arguments are not carried over, it stays shut",
                        call->name);
    else if (risk->class == CL_RISK_NEVER)
        cl_profile_note(profile, call->place, "'%s' is never granted: %s", call->name,
                        risk->why);
    else if (risk->class == CL_RISK_REASON)
        cl_profile_note(profile, call->place,
                        "'%s' is risky and left out: %s; if it is needed, add it to `allow`, "
                        "and why to `reason`",
                        call->name, risk->why);
    else
        cl_items_add(&spec->allow, call->name, call->place);
}

/* ---------------------------------------------------------------------------------- output */

static void print_list(const char *key, const struct cl_items *items, FILE *out)
{
    int left = fprintf(out, "  %s: [", key);
    int column = left;

    for (size_t i = 0; i < items->count; i++) {
        int length = (int)strlen(items->items[i].text) + 2;
        if (i > 0 && column + length > RIGHT) {
            fprintf(out, ",\n%*s", left, "");
            column = left;
        } else if (i > 0) {
            fputs(", ", out);
        }
        fputs(items->items[i].text, out);
        column += length;
    }
    fputs("]\n", out);
}

static void print_spec(const struct cl_spec *spec, bool fails, FILE *out)
{
    uint32_t tiers = cl_spec_tiers(spec);

    fprintf(out, "# imported from %s; what was not carried over is told on standard error\n",
            spec->doc->path);
    if (tiers & CL_TIER_THREADS)
        fputs("# the tier threads needs limits.processes above 1\n", out);
    if (tiers & CL_TIER_TMP_FILES)
        fputs("# the tier tmp_files needs limits.files above 0\n", out);
    fputs("syscalls:\n", out);
    print_list("tiers", &spec->tiers, out);
    print_list("allow", &spec->allow, out);
    print_list("deny", &spec->deny, out);
    fprintf(out, "  on_violation: %s\n", fails ? "errno" : "kill");
}

int cl_oci_import(const struct cl_doc *doc, FILE *yaml, FILE *notes, struct cl_report *report)
{
    CL_AUTO(cl_profile_fini)
    struct cl_profile profile = { .doc = doc, .notes = notes };

    if (!doc->root || cl_profile_parse(&profile, report) < 0 || doc->is_refused)
        return -1;

    struct cl_spec *spec = cl_spec_new(doc);
    choose_tiers(&profile, spec);
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (!cl_items_find(&spec->deny, cl_rules[i].name))
            deny_one(&profile, spec, cl_rules[i].name);
    }
    for (size_t i = 0; i < profile.count; i++)
        allow_one(&profile, spec, &profile.calls[i]);
    print_spec(spec, profile.fails_by_default, yaml);
    cl_spec_free(spec);
    return 0;
}
