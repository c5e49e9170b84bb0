/* Writes columns of figures as text: the lines of influx.py and the samples of openmetrics.py over again, for speed. Plain C (GNU
 * C99), no Python headers, as xentrace's hot.c. The tests hold both equal.
 *
 * All arrays are Python's (publish/writer.py), which has seen to it that offsets lie within their texts.
 */
#include <stdint.h>
#include <string.h>

#include "../core/objects.h"

#define ABI 2
#define UNKNOWN INT64_MIN       /* no figure */
#define LONGEST 24              /* characters of a number */
/* Of so many parts a float's shortest text has no other digits than the decimal fraction. */
#define EXACT 1000000000000000

enum { COUNT, SECONDS, PARTS, INFO };
enum { FULL = -1, INEXACT = -2 };
enum { SOME_KNOWN = 1, SOME_UNKNOWN = 2, UNFIT = 4 };       /* of a column's figures */

struct column {
    const int64_t *values;
    const char *name;           /* what stands before the number */
    int64_t size;               /* of that */
    int64_t kind;
    uint64_t divisor;           /* of PARTS, a power of ten up to 10^6 */
    int64_t least;              /* what is smaller is not written */
    int64_t unknown;            /* whether UNKNOWN is one, and no figure */
};

struct table {
    int64_t rows, columns;
    const char *texts;          /* of all rows, one after the other */
    const int64_t *ends;        /* where each row's ends */
    const struct column *column;
    const char *tail;
    int64_t tail_size;
};

static char *copy(char *to, const char *from, int64_t size)
{
    memcpy(to, from, (size_t)size);
    return to + size;
}

static char digit(uint64_t number)
{
    return (char)('0' + number);
}

static char *put_number(char *to, uint64_t number)
{
    static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
                                "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    char digits[LONGEST], *at = digits + LONGEST;

    for ( ; number >= 100; number /= 100 )
        memcpy(at -= 2, pairs + number % 100 * 2, 2);
    if ( number >= 10 )
        memcpy(at -= 2, pairs + number * 2, 2);
    else
        *--at = digit(number);
    return copy(to, at, digits + LONGEST - at);
}

/* The rest of a division by a power of ten, as decimals without zeros at the end, but for one. */
static char *put_decimals(char *to, uint64_t rest, uint64_t divisor)
{
    *to++ = '.';
    do
    {
        divisor /= 10;
        *to++ = digit(rest / divisor);
        rest %= divisor;
    } while ( rest );
    return to;
}

/* Python's repr() of a float that is so many parts of the divisor; NULL where that is not sure. */
static char *put_parts(char *to, uint64_t parts, uint64_t divisor)
{
    if ( parts >= EXACT )
        return NULL;
    if ( parts && parts * 10000 < divisor )     /* exponents from 0.0001 on down: only millionths are as small */
    {
        if ( divisor != 1000000 )
            return NULL;
        *to++ = digit(parts < 10 ? parts : parts / 10);
        if ( parts >= 10 && parts % 10 )
        {
            *to++ = '.';
            *to++ = digit(parts % 10);
        }
        return copy(to, parts < 10 ? "e-06" : "e-05", 4);
    }
    return put_decimals(put_number(to, parts / divisor), parts % divisor, divisor);
}

static char *put_value(char *to, int64_t value, const struct column *column)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if ( column->kind == INFO )
        return copy(to, "1", 1);
    if ( value < 0 )
        *to++ = '-';
    if ( column->kind == SECONDS )
        return put_decimals(put_number(to, size / 1000000000), size % 1000000000, 1000000000);
    return column->kind == PARTS ? put_parts(to, size, column->divisor) : put_number(to, size);
}

/* Influx line protocol: each row's text, its known figures, the tail. Gives the bytes written, or what is wrong. */
int64_t xenmeter_writer_lines(const struct table *table, char *out, int64_t room)
{
    char *to = out;
    int64_t most = table->tail_size, begin = 0;

    for ( int64_t c = 0; c < table->columns; c++ )
        most += table->column[c].size + LONGEST + 2;
    for ( int64_t row = 0; row < table->rows; begin = table->ends[row++] )
    {
        int64_t size = table->ends[row] - begin;
        const char *first;

        if ( size + most > room - (to - out) )
            return FULL;
        first = to = copy(to, table->texts + begin, size);
        for ( int64_t c = 0; c < table->columns; c++ )
        {
            const struct column *column = &table->column[c];

            if ( column->values[row] == UNKNOWN )
            {
                if ( !column->unknown )
                    return INEXACT;
                continue;
            }
            if ( to != first )
                *to++ = ',';
            to = put_value(copy(to, column->name, column->size), column->values[row], column);
            if ( !to )
                return INEXACT;
            if ( column->kind == COUNT )
                *to++ = 'i';
        }
        to = to == first ? to - size : copy(to, table->tail, table->tail_size);
    }
    return to - out;
}

/* Samples of an exposition: the first column's name, each row's labels with the constant ones, its figure. */
int64_t xenmeter_writer_samples(const struct table *table, char *out, int64_t room)
{
    const struct column *column = table->column;
    char *to = out;
    int64_t most = column->size + table->tail_size + LONGEST + 6, begin = 0;

    for ( int64_t row = 0; row < table->rows; begin = table->ends[row++] )
    {
        int64_t size = table->ends[row] - begin;

        if ( column->values[row] == UNKNOWN && !column->unknown )
            return INEXACT;
        if ( column->values[row] == UNKNOWN || column->values[row] < column->least )
            continue;
        if ( size + most > room - (to - out) )
            return FULL;
        to = copy(to, column->name, column->size);
        if ( size || table->tail_size )
        {
            *to++ = '{';
            to = copy(to, table->texts + begin, size);
            if ( size && table->tail_size )
                *to++ = ',';
            to = copy(to, table->tail, table->tail_size);
            *to++ = '}';
        }
        *to++ = ' ';
        to = put_value(to, column->values[row], column);
        if ( !to )
            return INEXACT;
        *to++ = '\n';
    }
    return to - out;
}

/* The rows' figures as machine words, column by column, and of each column what they are; -1 where a row is not as wide. */
int64_t xenmeter_writer_words(Object *values, int64_t rows, int64_t columns, int64_t *out, int64_t *kinds)
{
    for ( int64_t row = 0; row < rows; row++ )
    {
        Object *figures = PyTuple_GetItem(values, row);

        if ( !figures || PyTuple_Size(figures) != columns )
        {
            PyErr_Clear();
            return -1;
        }
        for ( int64_t c = 0; c < columns; c++ )
        {
            Object *figure = PyTuple_GetItem(figures, c);
            int64_t value = UNKNOWN;

            if ( figure == NONE )
                kinds[c] |= SOME_UNKNOWN;
            else
                kinds[c] |= int_of(figure, &value) && value != UNKNOWN ? SOME_KNOWN : UNFIT;
            out[c * rows + row] = value;
        }
    }
    return 0;
}

int64_t xenmeter_writer_abi(void)
{
    return (int64_t)ABI << 32 | sizeof(struct column) << 16 | sizeof(struct table);
}
