/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes random bytes into the state of numpy's Mersenne twister, which its C interface shows.
 * Runs in: zygote (prepare) and worker (before its call).
 * Trusts: numpy's layout as far as prepare has seen a known seed in it.
 */
#include "runtime/mersenne.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/pyref.h"
#include "sandbox/base/own.h"

enum { WORDS = 624, KNOWN_SEED = 5489 };

/* numpy/random/src/mt19937: the same from 1.17 on. */
struct twister {
    uint32_t key[WORDS];
    int at; /* WORDS: all are used up, the next draw makes new ones */
};

/* numpy/random/bitgen.h, public; the first member of more. */
struct bitgen {
    struct twister *state;
};

static struct twister *known;

static PyObject *seed(PyObject *b_module, PyObject *value)
{
    return PyObject_CallMethod(b_module, "seed", "O", value);
}

/* The first words that a seed makes (Knuth's generator) tell that this is the state, and where. */
static bool is_seeded(const struct twister *twister)
{
    uint32_t word = KNOWN_SEED;

    for (uint32_t i = 0; i < WORDS; i++) {
        if (twister->key[i] != word)
            return false;
        word = 1812433253u * (word ^ (word >> 30)) + i + 1;
    }
    return twister->at == WORDS;
}

static struct twister *find(PyObject *b_module)
{
    cl_pyref_auto PyObject *global = PyObject_GetAttrString(b_module, "mtrand");
    cl_pyref_auto PyObject *generator = global ? PyObject_GetAttrString(global, "_rand") : NULL;
    cl_pyref_auto PyObject *bits =
        generator ? PyObject_GetAttrString(generator, "_bit_generator") : NULL;
    cl_pyref_auto PyObject *capsule = bits ? PyObject_GetAttrString(bits, "capsule") : NULL;
    cl_pyref_auto PyObject *number = PyLong_FromLong(KNOWN_SEED);
    cl_pyref_auto PyObject *done = NULL;
    const struct bitgen *found;

    if (!capsule || !number ||
        strcmp(Py_TYPE(bits)->tp_name, "numpy.random._mt19937.MT19937") != 0)
        return NULL;
    /* Forgets a second normal number, too, if a module has drawn a first one. */
    done = seed(b_module, number);
    found = done ? PyCapsule_GetPointer(capsule, "BitGenerator") : NULL;
    return found && is_seeded(found->state) ? found->state : NULL;
}

void cl_mersenne_prepare(void)
{
    PyObject *b_module = cl_pyref_module("numpy.random");

    known = b_module ? find(b_module) : NULL;
    PyErr_Clear();
}

/* As good as a clock: different in each clone, not secret. */
static void fill_from_clock(struct twister *twister)
{
    uint64_t state = __builtin_ia32_rdtsc();

    for (size_t i = 0; i < WORDS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        twister->key[i] = (uint32_t)(state >> 32);
    }
}

static int fill(struct twister *twister, bool is_open)
{
    size_t done = 0;

    if (!is_open)
        fill_from_clock(twister);
    while (is_open && done < sizeof(twister->key)) {
        ssize_t got = getrandom((char *)twister->key + done, sizeof(twister->key) - done, 0);

        if (got < 0)
            return PyErr_SetFromErrno(PyExc_OSError), -1;
        done += (size_t)got;
    }
    twister->key[0] |= 1u << 31; /* all zeroes would stay so */
    twister->at = WORDS;
    return 0;
}

int cl_mersenne_reseed(bool is_open)
{
    PyObject *b_module = cl_pyref_module("numpy.random");
    cl_pyref_auto PyObject *value = NULL;
    cl_pyref_auto PyObject *done = NULL;

    if (!b_module)
        return 0;
    if (known)
        return fill(known, is_open);
    value = is_open ? Py_NewRef(Py_None)
                    : PyLong_FromUnsignedLong(__builtin_ia32_rdtsc() & UINT32_MAX);
    done = value ? seed(b_module, value) : NULL;
    return done ? 0 : -1;
}
