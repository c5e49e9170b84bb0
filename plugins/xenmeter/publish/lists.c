/* Rows to collectd's value lists: collectdvalues.py over again, for speed. Plain C (GNU C99), no Python headers
 * (core/objects.h). The tests hold both equal.
 */
#include "../core/objects.h"

#define ABI 1

enum { FAULT = -1, ABSENT, MADE, UNFIT };

/* One of a list's numbers, new, of a figure that is known. */
static int number_of(Object *figure, Object *divisor, const double *bounds, Object **number)
{
    int64_t value = 0;

    if ( figure == NONE )
        return ABSENT;
    if ( PyObject_IsInstance(figure, &PyLong_Type) != 1 )
        return UNFIT;
    if ( !int_of(figure, &value) )
        return ABSENT;      /* of more than 64 bits: impossible */
    if ( divisor == NONE )
        *number = PyLong_FromLongLong(value);
    else
    {
        double quotient;

        *number = PyNumber_TrueDivide(figure, divisor);
        quotient = *number ? PyFloat_AsDouble(*number) : 0;
        if ( *number && !(bounds[0] <= quotient && quotient <= bounds[1]) )
        {
            Py_DecRef(*number);
            return ABSENT;
        }
    }
    return *number ? MADE : FAULT;
}

/* The numbers of one list, new: of the row's figures at the places, each divided by its divisor unless that is None. */
static int numbers_of(Object *figures, Object *places, Object *divisors, const double *bounds, Object **numbers)
{
    ptrdiff_t count = PyTuple_Size(places);

    *numbers = PyList_New(count);
    for ( ptrdiff_t i = 0; *numbers && i < count; i++ )
    {
        Object *number = NULL, *figure;
        int64_t place;
        int made = UNFIT;

        if ( int_of(PyTuple_GetItem(places, i), &place) && (figure = PyTuple_GetItem(figures, place)) )
            made = number_of(figure, PyTuple_GetItem(divisors, i), bounds, &number);
        if ( made != MADE )
        {
            Py_DecRef(*numbers);
            return made;
        }
        PyList_SetItem(*numbers, i, number);
    }
    return *numbers ? MADE : FAULT;
}

/* ((instance, type, type's instance, numbers), meta) behind the others; the numbers are given back. */
static int put(Object *out, Object *identifier, Object *type, Object *name, Object *numbers)
{
    Object *value = PyTuple_New(4), *pair = PyTuple_New(2);
    int failed = !value || !pair;

    if ( !failed )
    {
        set_item(value, 0, PyTuple_GetItem(identifier, 0));
        set_item(value, 1, type);
        set_item(value, 2, name);
        set_item(value, 3, numbers);
        set_item(pair, 0, value);
        set_item(pair, 1, PyTuple_GetItem(identifier, 2));
        failed = PyList_Append(out, pair) < 0;
    }
    Py_DecRef(numbers);
    Py_DecRef(value);
    Py_DecRef(pair);
    return failed ? FAULT : MADE;
}

/* The lists of rows from ``at`` on, ``count`` of them, to ``out``. Where a row's identifier, (instance, the lists' names, meta), is
 * None it is left out. Of each list: its type, the places of its figures, their divisors, and ``bounds`` has two numbers. Gives 0,
 * -1 and an exception, or 1: not for compiled code, and then ``out`` is of no use.
 */
int64_t xenmeter_lists_make(Object *rows, Object *identifiers, int64_t at, int64_t count, Object *lists, const double *bounds,
                            Object *out)
{
    ptrdiff_t kinds = PyList_Size(lists);

    for ( int64_t end = at + count; at < end; at++ )
    {
        Object *row = PyList_GetItem(rows, at), *identifier = PyList_GetItem(identifiers, at);
        Object *figures = row ? PyTuple_GetItem(row, 2) : NULL;

        if ( !figures || !identifier )
            return FAULT;
        for ( ptrdiff_t kind = 0; identifier != NONE && kind < kinds; kind++ )
        {
            Object *list = PyList_GetItem(lists, kind), *numbers;
            int made = numbers_of(figures, PyTuple_GetItem(list, 1), PyTuple_GetItem(list, 2), bounds + 2 * kind, &numbers);

            if ( made == MADE )
                made = put(out, identifier, PyTuple_GetItem(list, 0), PyTuple_GetItem(PyTuple_GetItem(identifier, 1), kind), numbers);
            if ( made == FAULT || made == UNFIT )
                return made == FAULT ? -1 : 1;
        }
    }
    return 0;
}

int64_t xenmeter_lists_abi(void)
{
    return ABI;
}
