/* Whether the figures of a table are all possible: reading.py's possible() over again, for speed, of tables of which they are.
 * Plain C (GNU C99), no Python headers (objects.h). The tests hold both equal.
 */
#include "objects.h"

#define ABI 1

/* 1: each figure of the rows is None or an int of 64 bits with a sign; 0: Python must look. */
int64_t xenmeter_reading_possible(Object *rows)
{
    ptrdiff_t number = PyList_Size(rows);
    int64_t value;

    for ( ptrdiff_t row = 0; row < number; row++ )
    {
        Object *figures = PyTuple_GetItem(PyList_GetItem(rows, row), 2);
        ptrdiff_t width = figures ? PyTuple_Size(figures) : -1;

        for ( ptrdiff_t i = 0; i < width; i++ )
        {
            Object *figure = PyTuple_GetItem(figures, i);

            if ( figure != NONE && !int_of(figure, &value) )
                return 0;
        }
        if ( width < 0 )
            number = -1;
    }
    if ( number < 0 )
        PyErr_Clear();
    return number >= 0;
}

int64_t xenmeter_reading_abi(void)
{
    return ABI;
}
