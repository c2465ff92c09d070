/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a seccomp filter as seccomp_check_filter and bpf_check_classic of the kernel do.
 * Runs in: cloched, cloche-api and cloche-zygote, on policies that cloche-policyc compiled.
 * Trusts: nothing.
 */
#include "sandbox/base/bpfcheck.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sandbox/base/own.h"

/* What the operand `k` of an opcode must keep to. */
enum operand {
    OPERAND_ANY,
    OPERAND_LOAD,    /* a word of struct seccomp_data */
    OPERAND_CELL,    /* a cell of the scratch memory */
    OPERAND_DIVISOR, /* not 0 */
    OPERAND_SHIFT,   /* below 32 */
    OPERAND_JUMP,    /* k instructions forward */
    OPERAND_BRANCH,  /* jt and jf instructions forward */
    OPERAND_RETURN,  /* an action */
};

static const struct {
    uint16_t code;
    uint16_t operand; /* enum operand */
} opcodes[] = {
    { BPF_LD | BPF_W | BPF_ABS, OPERAND_LOAD },
    { BPF_LD | BPF_W | BPF_LEN, OPERAND_ANY },
    { BPF_LDX | BPF_W | BPF_LEN, OPERAND_ANY },
    { BPF_LD | BPF_IMM, OPERAND_ANY },
    { BPF_LDX | BPF_IMM, OPERAND_ANY },
    { BPF_LD | BPF_MEM, OPERAND_CELL },
    { BPF_LDX | BPF_MEM, OPERAND_CELL },
    { BPF_ST, OPERAND_CELL },
    { BPF_STX, OPERAND_CELL },
    { BPF_MISC | BPF_TAX, OPERAND_ANY },
    { BPF_MISC | BPF_TXA, OPERAND_ANY },
    { BPF_ALU | BPF_ADD | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_ADD | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_SUB | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_SUB | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_MUL | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_MUL | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_DIV | BPF_K, OPERAND_DIVISOR },
    { BPF_ALU | BPF_DIV | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_AND | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_AND | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_OR | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_OR | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_XOR | BPF_K, OPERAND_ANY },
    { BPF_ALU | BPF_XOR | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_LSH | BPF_K, OPERAND_SHIFT },
    { BPF_ALU | BPF_LSH | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_RSH | BPF_K, OPERAND_SHIFT },
    { BPF_ALU | BPF_RSH | BPF_X, OPERAND_ANY },
    { BPF_ALU | BPF_NEG, OPERAND_ANY },
    { BPF_JMP | BPF_JA, OPERAND_JUMP },
    { BPF_JMP | BPF_JEQ | BPF_K, OPERAND_BRANCH },
    { BPF_JMP | BPF_JEQ | BPF_X, OPERAND_BRANCH },
    { BPF_JMP | BPF_JGE | BPF_K, OPERAND_BRANCH },
    { BPF_JMP | BPF_JGE | BPF_X, OPERAND_BRANCH },
    { BPF_JMP | BPF_JGT | BPF_K, OPERAND_BRANCH },
    { BPF_JMP | BPF_JGT | BPF_X, OPERAND_BRANCH },
    { BPF_JMP | BPF_JSET | BPF_K, OPERAND_BRANCH },
    { BPF_JMP | BPF_JSET | BPF_X, OPERAND_BRANCH },
    { BPF_RET | BPF_K, OPERAND_RETURN },
};

/* BPF_RET | BPF_A is left out on purpose: a computed action can't be checked. TRACE and
 * USER_NOTIF would give the decision to another process. */
static const uint32_t actions[] = {
    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
    SECCOMP_RET_ERRNO,        SECCOMP_RET_LOG,         SECCOMP_RET_ALLOW,
};

static bool is_action(uint32_t value)
{
    for (size_t i = 0; i < CL_COUNT(actions); i++) {
        if ((value & SECCOMP_RET_ACTION_FULL) == actions[i])
            return true;
    }
    return false;
}

/* `left` counts the instructions behind this one: a jump over n of them needs one more. */
static bool is_operand_good(enum operand operand, const struct sock_filter *step, size_t left)
{
    switch (operand) {
    case OPERAND_LOAD:
        return step->k % 4 == 0 && step->k < sizeof(struct seccomp_data);
    case OPERAND_CELL:
        return step->k < BPF_MEMWORDS;
    case OPERAND_DIVISOR:
        return step->k != 0;
    case OPERAND_SHIFT:
        return step->k < 32;
    case OPERAND_JUMP:
        return step->k < left;
    case OPERAND_BRANCH:
        return step->jt < left && step->jf < left;
    case OPERAND_RETURN:
        return is_action(step->k);
    case OPERAND_ANY:
        break;
    }
    return true;
}

static int find_operand(uint16_t code)
{
    for (size_t i = 0; i < CL_COUNT(opcodes); i++) {
        if (opcodes[i].code == code)
            return opcodes[i].operand;
    }
    return -1;
}

int cl_bpfcheck_run(const void *program, size_t count, struct cl_err *err)
{
    const unsigned char *at = program;
    struct sock_filter step = { 0, 0, 0, 0 };

    if (count == 0 || count > BPF_MAXINSNS)
        return cl_fail(err, CL_E_INPUT, "a filter of %zu instructions", count);

    for (size_t i = 0; i < count; i++) {
        memcpy(&step, at + i * sizeof(step), sizeof(step));
        int operand = find_operand(step.code);
        if (operand < 0)
            return cl_fail(err, CL_E_INPUT, "filter instruction %zu has opcode 0x%04x", i,
                           step.code);
        if (!is_operand_good((enum operand)operand, &step, count - 1 - i))
            return cl_fail(err, CL_E_INPUT, "filter instruction %zu is out of range", i);
    }
    if (BPF_CLASS(step.code) != BPF_RET)
        return cl_fail(err, CL_E_INPUT, "the filter does not end with a return");

    return 0;
}
