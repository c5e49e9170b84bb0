/* What the short ways of both sources have in common: attributes of objects by name, and the rows of devices (devices.py). */
#ifndef XENMETER_PLANNED_H
#define XENMETER_PLANNED_H

#include "../core/objects.h"

#define WIDEST 8                /* counters of a device */
/* Figures that rise by no more than this, all together, need no second look (counters.py, _QUIET). */
#define QUIET ((int64_t)1 << 42)

enum { FAULT = -1, LEFT, DONE };        /* LEFT: to Python, with nothing done yet; FAULT: an exception */

#define NAMES(X) \
    X(at) X(before) X(begin) X(columns) X(counter) X(cpu) X(cpu_time) X(devices) X(disk_devices) X(disks) X(domid) X(doubts) \
    X(facts) X(flags) X(fresh) X(gone) X(identity) X(known) X(line) X(listed) X(max_pages) X(max_vcpu_id) X(name) X(network) \
    X(networks) X(notes) X(plan) X(raw) X(requested) X(row) X(seen) X(shared) X(shown) X(ssidref) X(state) X(times) X(tot_pages) \
    X(total) X(update) X(vbds) X(vcpu) X(vcpu_rows) X(vcpu_seconds) X(vcpus) X(vif_devices) X(vifs) X(who)
#define DECLARED(name) static Object *n_##name;
NAMES(DECLARED)

/* How the lines of a kind of devices are read: devices.py's Kind. */
struct kind {
    int64_t width, figures, identity, unknown;  /* the two places are -1 where there is none */
    int8_t places[WIDEST];
    int16_t units[WIDEST];
};

/* An attribute that is an int of 64 bits. */
static int get_int(Object *object, Object *name, int64_t *value)
{
    return int_of(get(object, name), value);
}

/* Sets it, and gives the reference to what it is set to back. */
static int put(Object *object, Object *name, Object *value)
{
    int failed = !value || PyObject_SetAttr(object, name, value) < 0;

    Py_DecRef(value);
    return !failed;
}

/* A tuple's item, borrowed; NULL and no exception where there is none. */
static Object *item(Object *tuple, ptrdiff_t place)
{
    Object *found = tuple ? PyTuple_GetItem(tuple, place) : NULL;

    if ( !found )
        PyErr_Clear();
    return found;
}

static int item_int(Object *tuple, ptrdiff_t place, int64_t *value)
{
    return int_of(item(tuple, place), value);
}

/* How many items a list has; -1 where it is none. */
static ptrdiff_t length(Object *list)
{
    ptrdiff_t size = list && list != NONE ? PyList_Size(list) : -1;

    if ( size < 0 )
        PyErr_Clear();
    return size;
}

static Object *row_of(Object *who, Object *labels, Object *values)
{
    Object *row = values ? PyTuple_New(3) : NULL;

    if ( row )
    {
        set_item(row, 0, who);
        set_item(row, 1, labels);
        set_item(row, 2, values);
    }
    return row;
}

/* counters.py's Monotonic.update: what the counters give, new. */
static Object *judged(Object *counter, Object *figures, const struct kind *kind, Object *identity, Object *now)
{
    int64_t raw[WIDEST] = { 0 }, sums[WIDEST] = { 0 }, rise = 0, last, sum;
    Object *before = get(counter, n_raw), *total = get(counter, n_total), *given, *answer;
    int quick = get(counter, n_doubts) == NONE && is_equal(get(counter, n_identity), identity) && before && before != NONE
                && get(counter, n_gone) == FALSE;

    given = PyTuple_New(kind->width);
    for ( int64_t i = 0; given && i < kind->width; i++ )
    {
        item_int(figures, kind->places[i], &raw[i]);    /* it is one, and not too large: is_countable */
        raw[i] *= kind->units[i];
        if ( kind->units[i] == 1 )
            set_item(given, i, item(figures, kind->places[i]));
        else
            set_int(given, i, raw[i]);
        quick = quick && item_int(before, i, &last) && last <= raw[i] && raw[i] - last <= QUIET - rise
                && (total == before || (item_int(total, i, &sum) && !__builtin_add_overflow(sum, raw[i] - last, &sums[i])));
        rise += quick ? raw[i] - last : 0;
    }
    if ( !given )
        return NULL;
    if ( !quick )
    {
        answer = PyObject_CallMethodObjArgs(counter, n_update, given, now, identity, (Object *)NULL);
        Py_DecRef(given);
        return answer;
    }
    if ( !rise )
    {
        answer = get(counter, n_shown);
        Py_IncRef(answer);
        Py_DecRef(given);
        return PyObject_SetAttr(counter, n_at, now) < 0 ? NULL : answer;
    }
    if ( total == before )
        Py_IncRef(answer = given);
    else
        answer = ints(sums, kind->width);
    if ( !answer || PyObject_SetAttr(counter, n_total, answer) < 0 || PyObject_SetAttr(counter, n_shown, answer) < 0
         || PyObject_SetAttr(counter, n_before, before) < 0 || PyObject_SetAttr(counter, n_at, now) < 0
         || !put(counter, n_raw, given) )
        return NULL;
    return answer;
}

/* Whether a line's counters are ints that can be counted with here. */
static int is_countable(Object *line, const struct kind *kind)
{
    Object *figures = kind->figures < 0 ? line : item(line, kind->figures);
    int64_t value;

    if ( !figures || figures == NONE )
        return 0;
    for ( int64_t i = 0; i < kind->width; i++ )
        if ( !item_int(figures, kind->places[i], &value) || value > INT64_MAX / kind->units[i]
             || value < -(INT64_MAX / kind->units[i]) )
            return 0;
    return 1;
}

/* A device's row, whose counters gave something else than before. */
static int renew(Object *device, Object *who, Object *given, const struct kind *kind)
{
    Object *labels = item(get(device, n_row), 1), *values = given;
    int64_t known = PyTuple_Size(given);

    if ( kind->unknown )
    {
        values = PyTuple_New(known + kind->unknown);
        for ( int64_t i = 0; values && i < known + kind->unknown; i++ )
            set_item(values, i, i < known ? PyTuple_GetItem(given, i) : NONE);
    }
    else
        Py_IncRef(values);
    known = put(device, n_row, row_of(who, labels, values)) && PyObject_SetAttr(device, n_shown, given) == 0;
    Py_DecRef(values);
    return (int)known;
}

/* devices.py's shown(): 1 where one gives something else than before, and then *values is what the last one gave, new. */
static int devices_shown(Object *who, Object *devices, Object *lines, const struct kind *kind, Object *now, Object *table,
                         Object **values)
{
    int changed = 0;
    ptrdiff_t number = length(devices);

    *values = NULL;
    for ( ptrdiff_t i = 0; i < number; i++ )
    {
        Object *device = PyList_GetItem(devices, i), *line = PyList_GetItem(lines, i), *counter = get(device, n_counter), *given;

        if ( is_equal(line, get(device, n_line)) && get(counter, n_doubts) == NONE )
        {
            if ( PyObject_SetAttr(counter, n_at, now) < 0 || PyList_Append(table, get(device, n_row)) < 0 )
                return FAULT;
            continue;
        }
        given = judged(counter, kind->figures < 0 ? line : item(line, kind->figures), kind,
                       kind->identity < 0 ? NONE : item(line, kind->identity), now);
        Py_DecRef(*values);
        *values = given;
        if ( !given || PyObject_SetAttr(device, n_line, line) < 0 )
            return FAULT;
        if ( given != get(device, n_shown) )
        {
            changed = 1;
            if ( !renew(device, who, given, kind) )
                return FAULT;
        }
        if ( PyList_Append(table, get(device, n_row)) < 0 )
            return FAULT;
    }
    return changed;
}

/* What a life's devices of one kind amount to, new, where one of them gives something else. */
static Object *totals(Object *devices, Object *given, int64_t width)
{
    Object *number, *sum;

    if ( PyDict_Size(get(devices, n_known)) == 1 )
    {
        Py_IncRef(given);
        return given;
    }
    number = PyLong_FromLongLong(width);
    sum = number ? PyObject_CallMethodObjArgs(devices, n_total, number, (Object *)NULL) : NULL;
    Py_DecRef(number);
    return sum;
}

#endif
