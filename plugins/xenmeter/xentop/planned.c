/* The short way of many domains at once: text/shortcut.py and direct/shortcut.py over again, for speed. Plain C (GNU C99), no
 * Python headers (core/objects.h). The tests hold both equal.
 *
 * A domain is left to Python, with nothing done yet, where it has no plan, where it is not as its plan says, and where a figure is
 * larger than is reckoned with here.
 */
#include <string.h>

#include "planned.h"

#define ABI 2
#define FIGURES 28              /* of a domain */
#define STATES 8                /* of them, those of its state */
#define COLUMNS 17              /* of a row of xentop's text */
#define SECOND INT64_C(1000000000)
#define PAGE 4096
#define NO_LIMIT INT64_C(0xffffffff)
#define LARGEST (INT64_C(1) << 33)      /* seconds, and pages */

enum { CPU, CPU_SHARE, MEM, MEM_SHARE, MAXMEM, MAXMEM_SHARE, VCPUS, NETS, NETTX, NETRX, VBDS, OO, RD, WR, RSECT, WSECT, SSID };

static const struct kind text_net = { 8, -1, -1, 0, { 5, 6, 7, 8, 1, 2, 3, 4 }, { 1, 1, 1, 1, 1, 1, 1, 1 } };
static const struct kind text_vbd = { 5, -1, -1, 6, { 3, 4, 5, 6, 2 }, { 1, 1, 512, 512, 1 } };
static const struct kind direct_vif = { 8, 2, 3, 0, { 4, 5, 6, 7, 0, 1, 2, 3 }, { 1, 1, 1, 1, 1, 1, 1, 1 } };
static const struct kind direct_disk = { 5, 2, 4, 6, { 1, 2, 3, 4, 0 }, { 1, 1, 1, 1, 1 } };

static Object *nothing;             /* an empty tuple */

/* What a sample says, and where its rows go. */
struct told {
    Object *lives, *reading, *now, *domains, *vcpus, *vifs, *vbds, *states;
    Object *more[2];            /* text: the vifs' order, whether its CPU(%) mean nothing; direct: Xen's time, all pages */
    int64_t number;             /* of the reading */
};

static Object *as_before(const struct told *told, Object *key, Object *name, Object *domid, Object *shared)
{
    Object *life = PyDict_GetItem(told->lives, key), *who = get(life, n_who);
    const Object *plan = get(life, n_plan);
    int64_t seen;

    return life && plan && plan != NONE && get_int(life, n_seen, &seen) && seen == told->number - 1
           && is_equal(get(who, n_name), name) && is_equal(get(who, n_domid), domid)
           && is_equal(get(who, n_shared), shared) ? life : NULL;
}

static int are_countable(Object *lines, const struct kind *kind)
{
    for ( ptrdiff_t i = 0; i < length(lines); i++ )
        if ( !is_countable(PyList_GetItem(lines, i), kind) )
            return 0;
    return 1;
}

/* Whether the same vCPUs have run on, or rest. */
static int run_on(Object *times, Object *last, int64_t most)
{
    int64_t time, before;

    if ( is_equal(times, last) )
        return 1;
    if ( length(times) < 1 || length(times) != length(last) )
        return 0;
    for ( ptrdiff_t i = 0; i < length(times); i++ )
    {
        Object *now = PyList_GetItem(times, i), *then = PyList_GetItem(last, i);

        if ( !is_equal(item(now, 0), item(then, 0)) || !item_int(now, 1, &time) || !item_int(then, 1, &before) || time < before
             || time > most )
            return 0;
    }
    return 1;
}

/* The rows of a domain's vCPUs, made anew where they have run. */
static int put_vcpus(const struct told *told, Object *life, Object *plan, Object *times, Object *n_rows, int64_t unit)
{
    Object *who = get(life, n_who), *rows = get(plan, n_rows);
    ptrdiff_t number = length(rows);

    if ( !is_equal(times, get(plan, n_times)) )
    {
        Object *by_number = PyDict_New(), *made = PyList_New(number);
        int good = by_number && made;

        for ( ptrdiff_t i = 0; good && i < number; i++ )
        {
            Object *before = PyList_GetItem(rows, i), *vcpu = PyList_GetItem(times, i), *row = before;
            int64_t time = 0, last;

            item_int(vcpu, 1, &time);
            time *= unit;
            if ( item_int(item(before, 2), 0, &last) && last == time )
                Py_IncRef(row);
            else
            {
                Object *values = ints(&time, 1);

                row = row_of(who, item(before, 1), values);
                Py_DecRef(values);
            }
            good = row && PyDict_SetItem(by_number, item(vcpu, 0), item(vcpu, 1)) == 0;
            if ( row )
                PyList_SetItem(made, i, row);
        }
        good = good && PyObject_SetAttr(life, n_vcpu, by_number) == 0 && PyObject_SetAttr(plan, n_times, times) == 0
               && PyObject_SetAttr(plan, n_rows, made) == 0;
        Py_DecRef(by_number);
        Py_DecRef(made);
        if ( !good )
            return 0;
        rows = get(plan, n_rows);
    }
    for ( ptrdiff_t i = 0; i < number; i++ )
        if ( PyList_Append(told->vcpus, PyList_GetItem(rows, i)) < 0 )
            return 0;
    return 1;
}

/* One of the figures that are being made. */
static void put_figure(Object *figures, ptrdiff_t place, int64_t value, int known)
{
    if ( known )
        set_int(figures, place, value);
    else
        set_item(figures, place, NONE);
}

static ptrdiff_t put_all(Object *figures, ptrdiff_t place, Object *values, ptrdiff_t number)
{
    for ( ptrdiff_t i = 0; i < number; i++ )
        set_item(figures, place + i, PyTuple_GetItem(values, i));
    return place + number;
}

/* A domain's row of its figures, which are given back. */
static int put_row(Object *plan, Object *who, Object *figures)
{
    int good = put(plan, n_row, row_of(who, item(get(plan, n_row), 1), figures));

    Py_DecRef(figures);
    return good;
}

/* Sums of a domain's devices, as its figures have them: the first ``before`` of them are ``number``, then those of the places. */
static int put_sums(Object *plan, Object *name, Object *devices, Object *given, const struct kind *kind, Object *number,
                    const int8_t *places, ptrdiff_t count)
{
    Object *total = totals(devices, given, kind->width), *sums = total ? PyTuple_New(count + (number != NULL)) : NULL;
    ptrdiff_t at = 0;

    if ( sums && number )
        set_item(sums, at++, number);
    for ( ptrdiff_t i = 0; sums && i < count; i++ )
        set_item(sums, at++, item(total, places[i]));
    Py_DecRef(total);
    return put(plan, name, sums);
}

/* Rows of one kind of a domain's devices, and the sums where these change: 1 where they do. */
static int put_devices(Object *life, Object *plan, Object *n_of_life, Object *n_list, Object *lines, const struct kind *kind,
                       Object *now, Object *table, Object *n_sums, Object *number)
{
    static const int8_t network[] = { 0, 4 }, requests[] = { 4, 0, 1, 2, 3 };
    Object *given;
    int changed = devices_shown(get(life, n_who), get(plan, n_list), lines, kind, now, table, &given);

    if ( changed > 0 && !put_sums(plan, n_sums, get(life, n_of_life), given, kind, number, kind->width == 8 ? network : requests,
                                  kind->width == 8 ? 2 : 5) )
        changed = FAULT;
    Py_DecRef(given);
    return changed;
}

#include "planned_text.inc"
#include "planned_direct.inc"

/* Domains from ``at`` on that go the short way; the place of the first that is left to Python; -1 and an exception. */
static int64_t go(Object *domains, int64_t at, Object *words, int (*domain)(const struct told *, Object *))
{
    struct told told;
    Object **const parts[] = { &told.lives, &told.reading, &told.now, &told.domains, &told.vcpus, &told.vifs, &told.vbds,
                               &told.states, &told.more[0], &told.more[1] };

    for ( size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++ )
        *parts[i] = item(words, (ptrdiff_t)i);
    if ( !int_of(told.reading, &told.number) )
        return at;
    for ( ; at < length(domains); at++ )
    {
        int done = domain(&told, PyList_GetItem(domains, at));

        if ( done != DONE )
            return done == LEFT ? at : -1;
    }
    return at;
}

int64_t xenmeter_planned_text(Object *joined, int64_t at, Object *words)
{
    return go(joined, at, words, text_domain);
}

int64_t xenmeter_planned_direct(Object *domains, int64_t at, Object *words)
{
    return go(domains, at, words, direct_domain);
}

/* Called first: the names of attributes are made here. */
int64_t xenmeter_planned_abi(void)
{
#define MADE(name) n_##name = PyUnicode_InternFromString(#name);
    if ( !nothing )
    {
        NAMES(MADE)
        nothing = PyTuple_New(0);
    }
    return ABI;
}
