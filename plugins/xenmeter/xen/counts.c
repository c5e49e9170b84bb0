/* Reads counters that dom0's kernel tells as text: blkback.py and netdev.py over again, for speed. Plain C (GNU C99, 64 bits,
 * little endian), no Python headers, as xentrace's hot.c. The tests hold both equal.
 *
 * All arrays are Python's (compiled.py).
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ABI 1
#define MOST_DIGITS 20
#define LONGEST 32      /* bytes that are read of a file */
#define FIGURES 16      /* of a line of /proc/net/dev */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_blank(char c)     /* what Python's strip and split take for one */
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The digits from *at on, as many as 64 bits hold of the number; how many there are. *carried is set where it is larger. */
static int64_t digits(const char **at, const char *end, uint64_t *value, int *carried)
{
    const char *begin = *at;

    *value = 0;
    for ( ; *at < end && is_digit(**at); ++*at )
    {
        uint64_t digit = (uint64_t)(**at - '0');

        *carried |= __builtin_mul_overflow(*value, (uint64_t)10, value);
        *carried |= __builtin_add_overflow(*value, digit, value);
    }
    return *at - begin;
}

/* A file's whole text as a number, perhaps with a sign, modulo 2^64; 0: it is none. */
static int number_of(const char *at, const char *end, uint64_t *value)
{
    int negative = at < end && *at == '-', carried = 0;
    int64_t length;

    at += negative;
    length = digits(&at, end, value, &carried);
    if ( length < 1 || length > MOST_DIGITS )
        return 0;
    while ( at < end && is_blank(*at) )
        at++;
    if ( negative )
        *value = 0 - *value;
    return at == end;
}

/* Read open files from their beginnings; out gets their numbers, bad 1 where there is none. Returns how many are bad. */
int64_t xenmeter_counts_files(const int32_t *files, int64_t number, uint64_t *out, uint8_t *bad)
{
    int64_t wrong = 0;

    for ( int64_t i = 0; i < number; i++ )
    {
        char text[LONGEST];
        ssize_t length = pread(files[i], text, sizeof(text), 0);

        bad[i] = length < 0 || !number_of(text, text + length, &out[i]);
        wrong += bad[i];
    }
    return wrong;
}

/* The lines of /proc/net/dev behind its header: 16 figures of each to out, the names, each ended by a line feed, to names,
 * which has as much room as the text. Returns how many lines there are, -1 where one is not as Linux prints it or a figure needs
 * more than 64 bits, and room is how many there may be.
 */
int64_t xenmeter_counts_net_dev(const char *text, int64_t length, uint64_t *out, int64_t room, char *names, int64_t *names_length)
{
    const char *end = text + length;
    char *to = names;
    int64_t lines = 0;

    if ( memchr(text, '\r', (size_t)length) )      /* Python ends a line there, too */
        return -1;
    for ( ; text < end; lines++, text++ )
    {
        const char *stop = memchr(text, '\n', (size_t)(end - text)), *at, *last;
        int carried = 0;

        if ( !stop || lines == room )
            return -1;
        at = memrchr(text, ':', (size_t)(stop - text));
        if ( !at )
            return -1;
        for ( last = at; text < last && is_blank(*text); )
            text++;
        while ( last > text && is_blank(last[-1]) )
            last--;
        if ( last == text )
            return -1;
        memcpy(to, text, (size_t)(last - text));
        to += last - text;
        *to++ = '\n';
        at++;
        for ( int i = 0; i < FIGURES; i++ )
        {
            while ( at < stop && is_blank(*at) )
                at++;
            if ( !digits(&at, stop, out++, &carried) || carried || (at < stop && !is_blank(*at)) )
                return -1;
        }
        while ( at < stop && is_blank(*at) )
            at++;
        if ( at != stop )
            return -1;
        text = stop;
    }
    *names_length = to - names;
    return lines;
}

int64_t xenmeter_counts_abi(void)
{
    return ABI;
}
