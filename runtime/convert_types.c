/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for what is neither a scalar nor a plain container: sets, iterators, dates, dataclasses,
 * numbers of other kinds, numpy and pandas.
 * Runs in: worker.
 * Trusts: nothing. Types are found in sys.modules and never imported: what is not loaded cannot
 * be in a value.
 */
#include "runtime/convert_types.h"

typedef int handler(struct cl_convert *convert, PyObject *value);

/* str(value) or another method's text; it must be a real str. */
static int put_method_text(struct cl_convert *convert, PyObject *value, const char *method)
{
    cl_pyref_auto PyObject *text =
        method ? PyObject_CallMethod(value, method, NULL) : PyObject_Str(value);

    if (!text)
        return -1;
    if (!PyUnicode_Check(text))
        return cl_convert_fail(convert, "'%.100s' has no text", Py_TYPE(value)->tp_name);
    return cl_convert_str(convert, text);
}

static int put_text(struct cl_convert *convert, PyObject *value)
{
    return put_method_text(convert, value, NULL);
}

static int put_isoformat(struct cl_convert *convert, PyObject *value)
{
    return put_method_text(convert, value, "isoformat");
}

/* What a method of the value gives stands in its place, one level deeper at most. */
static int put_replacement(struct cl_convert *convert, PyObject *value, PyObject *replacement)
{
    cl_pyref_auto PyObject *owned = replacement;

    if (!owned)
        return -1;
    if (owned == value || Py_TYPE(owned) == Py_TYPE(value))
        return cl_convert_fail(convert, "a value of type '%.100s' is not JSON",
                               Py_TYPE(value)->tp_name);
    return cl_convert_put(convert, owned);
}

/* pandas' "not a time" is a datetime that claims to have a text. */
static int put_no_time(struct cl_convert *convert, PyObject *value)
{
    (void)value;
    return cl_convert_fail(convert, "NaT is not a JSON value");
}

static int put_seconds(struct cl_convert *convert, PyObject *value)
{
    return put_replacement(convert, value, PyObject_CallMethod(value, "total_seconds", NULL));
}

static int put_enum(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *dict = PyObject_GenericGetDict(value, NULL);
    PyObject *b_value = dict ? PyDict_GetItemString(dict, "_value_") : NULL;

    if (!b_value) {
        PyErr_Clear();
        return cl_convert_fail(convert, "an enum member without a value");
    }
    return put_replacement(convert, value, Py_NewRef(b_value));
}

/* Sorted where its members can be compared, so that equal sets make equal results. */
static int put_set(struct cl_convert *convert, PyObject *set)
{
    cl_pyref_auto PyObject *list = PySequence_List(set);
    cl_pyref_auto PyObject *iterator = NULL;

    if (!list)
        return -1;
    if (PyList_Sort(list) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        Py_SETREF(list, PySequence_List(set));
    }
    iterator = list ? PyObject_GetIter(list) : NULL;
    return iterator ? cl_convert_iterator(convert, set, iterator) : -1;
}

static int put_iterable(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *iterator = PyObject_GetIter(value);

    return iterator ? cl_convert_iterator(convert, value, iterator) : -1;
}

static int put_dataclass(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *fields =
        PyObject_CallMethod(cl_pyref_module("dataclasses"), "fields", "O", value);
    cl_pyref_auto PyObject *names = NULL;

    if (!fields)
        return -1;
    if (!PyTuple_CheckExact(fields))
        return cl_convert_fail(convert, "a dataclass without fields");
    names = PyTuple_New(PyTuple_GET_SIZE(fields));
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(fields); i++) {
        PyObject *name = PyObject_GetAttrString(PyTuple_GET_ITEM(fields, i), "name");

        if (!name)
            return -1;
        PyTuple_SET_ITEM(names, i, name);
    }
    return names ? cl_convert_fields(convert, value, names, NULL) : -1;
}

/* namedtuple: a tuple subclass whose `_fields` is a tuple of as many names. NULL if not. */
static PyObject *tuple_fields(PyObject *value)
{
    PyObject *fields = PyObject_GetAttrString((PyObject *)Py_TYPE(value), "_fields");

    if (!fields)
        PyErr_Clear();
    if (fields &&
        (!PyTuple_CheckExact(fields) || PyTuple_GET_SIZE(fields) != PyTuple_GET_SIZE(value)))
        Py_CLEAR(fields);
    return fields;
}

static int put_tuple_like(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *fields = tuple_fields(value);

    if (fields)
        return cl_convert_fields(convert, value, fields, value);
    return cl_convert_basic(convert, value);
}

static int put_numpy_scalar(struct cl_convert *convert, PyObject *value)
{
    PyObject *b_date = cl_pyref_type("numpy", "datetime64");

    if (b_date && PyType_IsSubtype(Py_TYPE(value), (PyTypeObject *)b_date))
        return put_text(convert, value);
    return put_replacement(convert, value, PyObject_CallMethod(value, "item", NULL));
}

/* An element takes two bytes at least: do not build a list that cannot fit. */
static int check_array_size(struct cl_convert *convert, PyObject *array)
{
    cl_pyref_auto PyObject *size = PyObject_GetAttrString(array, "size");
    Py_ssize_t count = size ? PyNumber_AsSsize_t(size, PyExc_OverflowError) : 0;

    if (PyErr_Occurred())
        return -1;
    if ((size_t)count <= convert->out->limit / 2 + 1)
        return 0;
    convert->limit = CL_LIMIT_RESULT;
    return -1;
}

static int put_array(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *dtype = PyObject_GetAttrString(value, "dtype");
    cl_pyref_auto PyObject *kind = dtype ? PyObject_GetAttrString(dtype, "kind") : NULL;
    cl_pyref_auto PyObject *array = NULL;

    if (!kind || check_array_size(convert, value) < 0)
        return -1;
    if (PyUnicode_Check(kind) && PyUnicode_CompareWithASCIIString(kind, "M") == 0)
        array = PyObject_CallMethod(value, "astype", "s", "str");
    else
        array = Py_NewRef(value);
    return array ? put_replacement(convert, value, PyObject_CallMethod(array, "tolist", NULL))
                 : -1;
}

static int put_frame(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *columns = PyObject_GetAttrString(value, "columns");
    cl_pyref_auto PyObject *unique =
        columns ? PyObject_GetAttrString(columns, "is_unique") : NULL;

    if (!unique || check_array_size(convert, value) < 0)
        return -1;
    if (unique != Py_True)
        return cl_convert_fail(convert, "two columns have the same name");
    return put_replacement(convert, value,
                           PyObject_CallMethod(value, "to_dict", "s", "records"));
}

static int put_series(struct cl_convert *convert, PyObject *value)
{
    if (check_array_size(convert, value) < 0)
        return -1;
    return put_replacement(convert, value, PyObject_CallMethod(value, "tolist", NULL));
}

/* In order: a member of two rows (an IntEnum is an int, a Timestamp a datetime) takes the first. */
static const struct {
    const char *module, *type;
    handler *put;
} loaded_types[] = {
    { "enum", "Enum", put_enum },
    { "pandas._libs.tslibs.nattype", "NaTType", put_no_time },
    { "datetime", "date", put_isoformat }, /* and datetime */
    { "datetime", "time", put_isoformat },
    { "datetime", "timedelta", put_seconds },
    { "decimal", "Decimal", put_text },
    { "uuid", "UUID", put_text },
    { "pathlib", "PurePath", put_text },
    { "collections", "deque", put_iterable },
    { "numpy", "generic", put_numpy_scalar },
    { "numpy", "ndarray", put_array },
    { "pandas", "DataFrame", put_frame },
    { "pandas", "Series", put_series },
    { "pandas", "Index", put_series },
};

static handler *find_loaded(PyTypeObject *type)
{
    for (size_t i = 0; i < CL_COUNT(loaded_types); i++) {
        PyObject *b_type = cl_pyref_type(loaded_types[i].module, loaded_types[i].type);

        if (b_type && PyType_IsSubtype(type, (PyTypeObject *)b_type))
            return loaded_types[i].put;
    }
    return NULL;
}

static bool is_view_or_range(PyTypeObject *type)
{
    return type == &PyDictKeys_Type || type == &PyDictValues_Type ||
           type == &PyDictItems_Type || type == &PyRange_Type;
}

/* map, filter, zip, itertools: built in, so iterating them is not the caller's method. */
static bool is_builtin_iterator(PyObject *value)
{
    return PyIter_Check(value) && !(Py_TYPE(value)->tp_flags & Py_TPFLAGS_HEAPTYPE);
}

static bool is_dataclass(PyTypeObject *type)
{
    cl_pyref_auto PyObject *fields =
        PyObject_GetAttrString((PyObject *)type, "__dataclass_fields__");

    PyErr_Clear();
    return fields && cl_pyref_module("dataclasses");
}

static handler *find_builtin(PyObject *value)
{
    if (PyTuple_Check(value))
        return put_tuple_like;
    if (PyUnicode_Check(value) || PyLong_Check(value) || PyFloat_Check(value) ||
        PyList_Check(value) || PyDict_Check(value))
        return cl_convert_basic;
    if (PyAnySet_Check(value))
        return put_set;
    if (PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value))
        return cl_convert_base64;
    if (PyComplex_Check(value))
        return put_text;
    return is_view_or_range(Py_TYPE(value)) || is_builtin_iterator(value) ? put_iterable : NULL;
}

static handler *find_handler(PyObject *value)
{
    PyObject *b_enum = cl_pyref_type("enum", "Enum");
    handler *found = NULL;

    if (b_enum && PyType_IsSubtype(Py_TYPE(value), (PyTypeObject *)b_enum))
        return put_enum;
    if (is_dataclass(Py_TYPE(value)))
        return put_dataclass;
    found = find_builtin(value);
    return found ? found : find_loaded(Py_TYPE(value));
}

/* Long lists are mostly of one type: the last answer is kept, with its type held alive. */
int cl_convert_other(struct cl_convert *convert, PyObject *value)
{
    static PyTypeObject *last_type;
    static handler *last_handler;

    if (convert->rules.other)
        return convert->rules.other(convert, value);
    if (Py_TYPE(value) != last_type) {
        handler *found = find_handler(value);

        if (!found)
            return cl_convert_fail(convert, "a value of type '%.100s' is not JSON",
                                   Py_TYPE(value)->tp_name);
        Py_XDECREF(last_type);
        last_type = (PyTypeObject *)Py_NewRef(Py_TYPE(value));
        last_handler = found;
    }
    return last_handler(convert, value);
}
