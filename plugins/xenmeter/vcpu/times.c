/* The times of a domain's vCPUs to rows, of vCPUs of which all goes on as it should: times.py's Times.update and collector.py's loop
 * over again, for speed. Plain C (GNU C99), no Python headers (core/objects.h). The tests hold both equal.
 */
#include "../core/objects.h"

#define ABI 1
#define TIMES 4                         /* of a vCPU: places 1 to 4 of its record */
#define SLACK INT64_C(600000000000)     /* times.py, _SLACK */

enum { FAULT = -1, LEFT, DONE };

static Object *n_at, *n_doubts, *n_given, *n_raw, *n_shown, *n_source, *n_told;

/* Whether each time has risen by no more than there is room for, or is the same. */
static int goes_on(Object *times, Object *given, int64_t now, int64_t at)
{
    int64_t passed = now > at ? now - at : at - now, room;

    if ( PyTuple_Size(given) != TIMES || __builtin_mul_overflow(passed, 2, &room) || __builtin_add_overflow(room, SLACK, &room) )
        return 0;
    for ( ptrdiff_t i = 0; i < TIMES; i++ )
    {
        Object *value = PyTuple_GetItem(times, i), *good = PyTuple_GetItem(given, i);
        int64_t one, other;

        if ( value != good && (!int_of(value, &one) || !int_of(good, &other) || one < 0 || other < 0 || one < other
                               || one - other > room) )
            return 0;
    }
    return 1;
}

/* Times.update, where that is plain: what to tell, borrowed from the counters. */
static int update(Object *counters, Object *times, Object *source, Object *now, Object **shown)
{
    Object *given = get(counters, n_given);
    int64_t at, moment;

    *shown = get(counters, n_shown);
    if ( PyDict_Size(get(counters, n_doubts)) != 0 || !*shown || !given || !is_equal(get(counters, n_source), source) )
        return LEFT;
    if ( is_equal(times, given) )
        return PyObject_SetAttr(counters, n_at, now) < 0 ? FAULT : DONE;
    if ( *shown != given || !int_of(get(counters, n_at), &at) || !int_of(now, &moment) || !goes_on(times, given, moment, at) )
        return LEFT;
    *shown = times;
    return PyObject_SetAttr(counters, n_given, times) < 0 || PyObject_SetAttr(counters, n_shown, times) < 0
           || PyObject_SetAttr(counters, n_raw, times) < 0 || PyObject_SetAttr(counters, n_told, times) < 0
           || PyObject_SetAttr(counters, n_at, now) < 0 ? FAULT : DONE;
}

/* A row behind the others: what is told of the times, and what else the record says. */
static int put_row(Object *table, Object *who, Object *labels, Object *shown, Object *vcpu, ptrdiff_t width)
{
    Object *row = PyTuple_New(3), *values = PyTuple_New(width - 1);
    int failed = !row || !values;

    if ( !failed )
    {
        for ( ptrdiff_t i = 0; i < width - 1; i++ )
            set_item(values, i, i < TIMES ? PyTuple_GetItem(shown, i) : PyTuple_GetItem(vcpu, i + 1));
        set_item(row, 0, who);
        set_item(row, 1, labels);
        set_item(row, 2, values);
        failed = PyList_Append(table, row) < 0;
    }
    Py_DecRef(row);
    Py_DecRef(values);
    return failed ? FAULT : DONE;
}

static int one_vcpu(Object *vcpu, Object *const told[6])
{
    Object *known = told[0], *labels = told[1], *who = told[2], *source = told[3], *now = told[4], *table = told[5];
    ptrdiff_t width = PyTuple_Size(vcpu);
    Object *number = width > TIMES ? PyTuple_GetItem(vcpu, 0) : NULL, *counters = number ? PyDict_GetItem(known, number) : NULL;
    Object *key, *text = NULL, *times, *shown;
    int done;

    PyErr_Clear();
    if ( !counters || !(key = PyTuple_New(2)) )
        return counters ? FAULT : LEFT;
    set_item(key, 0, number);
    set_item(key, 1, source);
    text = PyDict_GetItem(labels, key);
    Py_DecRef(key);
    if ( !text )
        return LEFT;
    times = PyTuple_GetSlice(vcpu, 1, 1 + TIMES);
    done = times ? update(counters, times, source, now, &shown) : FAULT;
    if ( done == DONE && PyTuple_Size(shown) != TIMES )
        done = FAULT;
    if ( done == DONE )
        done = put_row(table, who, text, shown, vcpu, width);
    Py_DecRef(times);
    return done;
}

/* Records of vCPUs from ``at`` on; the place of the first that is left to Python, with nothing of it done; -1 and an exception.
 * ``words``: (counters by number, labels by number and source, who, source, time, table).
 */
int64_t xenmeter_times_rows(Object *vcpus, int64_t at, Object *words)
{
    Object *told[6];
    ptrdiff_t number = PyList_Size(vcpus);

    for ( ptrdiff_t i = 0; i < 6; i++ )
        if ( !(told[i] = PyTuple_GetItem(words, i)) )
            return -1;
    for ( ; at < number; at++ )
    {
        int done = one_vcpu(PyList_GetItem(vcpus, at), told);

        if ( done != DONE )
            return done == LEFT ? at : -1;
    }
    return at;
}

int64_t xenmeter_times_abi(void)
{
    if ( !n_at )
    {
        n_doubts = PyUnicode_InternFromString("_doubts");
        n_given = PyUnicode_InternFromString("_given");
        n_raw = PyUnicode_InternFromString("_raw");
        n_shown = PyUnicode_InternFromString("_shown");
        n_source = PyUnicode_InternFromString("_source");
        n_told = PyUnicode_InternFromString("_told");
        n_at = PyUnicode_InternFromString("_at");
    }
    return ABI;
}
