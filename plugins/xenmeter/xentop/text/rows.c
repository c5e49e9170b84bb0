/* Reads rows of xentop's text with the lines that follow them, as long as all is as xentop prints it for a domain of which
 * everything is known: lines.py and parse.py over again, for speed. Plain C (GNU C99), no Python headers, as xentrace's hot.c. The
 * tests hold both equal.
 *
 * Whatever is not exactly so is left to Python, from the beginning of its line on: special values, numbers of more than 18
 * digits, damage, headers. What stands before a row's columns and a disk's numbers is not read here: Python keeps what it means.
 */
#include <stdint.h>
#include <string.h>

#include "../../core/objects.h"

#define ABI 2
#define DIGITS 18
#define COLUMNS 17
#define NET 9                   /* index and eight counters */
#define VBD 7                   /* where its head is and how long, five counters */
#define C_NETS 7                /* places of the numbers of devices among the columns */
#define C_VBDS 10
#define NET_LENGTH 117          /* the shortest line that can be: each number is padded to 8 places */
#define VBD_LENGTH 78           /* of what follows a disk's head, one less than the shortest: padded to 8 and 10 places */

struct row {
    int64_t at, head;           /* of its line, and how long what stands before the columns is */
    int64_t vcpus, nets, vbds;  /* that follow it; vcpus is -1 without such a line */
};

struct batch {
    const char *text;
    int64_t at, end;            /* in: of what is to be read, whole lines; out: at is the beginning of the first line not read */
    int64_t rows, vcpus, nets, vbds;            /* in: room, out: how many there are */
    struct row *row;
    uint64_t *columns, *vcpu, *net, *vbd;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *blanks(const char *at, const char *end)
{
    while ( at < end && *at == ' ' )
        at++;
    return at;
}

/* A number; NULL where none begins there or it is too long. */
static const char *number(const char *at, const char *end, uint64_t *value)
{
    const char *begin = at;
    uint64_t sum = 0;

    for ( ; at < end && is_digit(*at) && at - begin <= DIGITS; at++ )
        sum = sum * 10 + (uint64_t)(*at - '0');
    *value = sum;
    return at == begin || at - begin > DIGITS ? NULL : at;
}

/* A number after one blank or more. */
static const char *padded(const char *at, const char *end, uint64_t *value)
{
    return at < end && *at == ' ' ? number(blanks(at, end), end, value) : NULL;
}

static int begins(const char *at, const char *end, const char *text)
{
    size_t size = strlen(text);

    return end - at >= (int64_t)size && !memcmp(at, text, size);
}

/* What follows a word; NULL where it is not there, or nothing was. */
static const char *word(const char *at, const char *end, const char *text)
{
    return at && begins(at, end, text) ? at + strlen(text) : NULL;
}

/* The number that ends at ``end``, a percentage as its tenths, and the blanks before it; where those begin, or NULL. */
static const char *number_before(const char *begin, const char *end, int percentage, uint64_t *value)
{
    const char *at = end;
    uint64_t sum = 0, tenths = 0, place = 1;

    if ( percentage )
    {
        if ( at - begin < 3 || !is_digit(at[-1]) || at[-2] != '.' )
            return NULL;
        tenths = (uint64_t)(at[-1] - '0');
        end = at -= 2;
    }
    for ( ; at > begin && is_digit(at[-1]) && end - at < DIGITS - 1; place *= 10 )
        sum += (uint64_t)(*--at - '0') * place;
    *value = percentage ? sum * 10 + tenths : sum;
    if ( at == end || at == begin || at[-1] != ' ' )
        return NULL;
    while ( at > begin && at[-1] == ' ' )
        at--;
    return at;
}

/* A domain's row: the length of what stands before its columns, 0 where that is none. */
static int64_t read_columns(const char *line, const char *end, uint64_t *columns)
{
    static const char percentages[COLUMNS] = { [1] = 1, [3] = 1, [5] = 1 };
    const char *at = end;

    if ( begins(line, end, "VBD ") )
        return 0;
    for ( int column = COLUMNS - 1; column >= 0; column-- )
    {
        at = number_before(line, at, percentages[column], &columns[column]);
        if ( !at )
            return 0;
    }
    return at - line;
}

/* Of a line of vCPUs, how many; -1 where it is none, or there is no room for it. */
static int64_t read_vcpus(const char *at, const char *end, uint64_t *vcpus, int64_t room)
{
    int64_t count = 0;

    for ( ; at < end; count++ )
    {
        if ( count == room )
            return -1;
        at = word(padded(at, end, &vcpus[2 * count]), end, ":");
        at = at ? word(padded(at, end, &vcpus[2 * count + 1]), end, "s") : NULL;
        if ( !at )
            return -1;
    }
    return count ? count : -1;
}

static int read_net(const char *at, const char *end, uint64_t index, uint64_t *net)
{
    static const char *const after[NET - 1] = { "bytes", "pkts", "err", "drop  TX:", "bytes", "pkts", "err", "drop" };

    if ( end - at < NET_LENGTH || !(at = word(at, end, "Net")) || !(at = number(at, end, net)) || net[0] != index )
        return 0;
    at = word(at, end, " RX:");
    for ( int i = 1; i < NET && at; i++ )
        at = word(padded(at, end, &net[i]), end, after[i - 1]);
    return at == end;
}

static int read_vbd(const char *text, const char *line, const char *end, uint64_t *vbd)
{
    static const char *const before[] = { "RD:", "WR:", "RSECT:", "WSECT:" };
    const char *at = end;

    if ( !begins(line, end, "VBD ") )
        return 0;
    for ( int i = VBD - 1; i >= 2; i-- )
    {
        at = number_before(line, at, 0, &vbd[i]);
        if ( at && i > 2 )
        {
            int64_t size = (int64_t)strlen(before[i - 3]);

            at = at - line > size && begins(at - size, end, before[i - 3]) && at[-size - 1] == ' ' ? at - size : NULL;
            while ( at && at > line && at[-1] == ' ' )
                at--;
        }
        if ( !at )
            return 0;
    }
    vbd[0] = (uint64_t)(line - text);
    vbd[1] = (uint64_t)(at - line);
    return end - at > VBD_LENGTH;
}

static const char *line_end(const char *at, const char *end)
{
    return memchr(at, '\n', (size_t)(end - at));
}

/* The lines that follow a row, in xentop's order; gives where the first begins that does not. */
static const char *read_details(const struct batch *batch, const struct batch *room, const char *at, const char *last,
                                struct row *row, const uint64_t *columns)
{
    uint64_t *vcpus = batch->vcpu + 2 * batch->vcpus;
    uint64_t *net = batch->net + NET * batch->nets, *vbd = batch->vbd + VBD * batch->vbds;
    const char *end;

    row->vcpus = -1;
    row->nets = row->vbds = 0;
    if ( at < last && (end = line_end(at, last)) && begins(at, end, "VCPUs(sec): ") )
    {
        int64_t most = room->vcpus - batch->vcpus;

        row->vcpus = read_vcpus(at + 11, end, vcpus, most);
        if ( row->vcpus < 0 )
            return at;
        at = end + 1;
        while ( at < last && (end = line_end(at, last)) && begins(at, end, "         ") )
        {
            int64_t more = read_vcpus(at + 7, end, vcpus + 2 * row->vcpus, most - row->vcpus);

            if ( more < 0 || vcpus[2 * row->vcpus] <= vcpus[2 * row->vcpus - 2] )
                return at;
            row->vcpus += more;
            at = end + 1;
        }
    }
    for ( ; (uint64_t)row->nets < columns[C_NETS]; row->nets++, net += NET, at = end + 1 )
        if ( at >= last || batch->nets + row->nets == room->nets || !(end = line_end(at, last))
             || !read_net(at, end, (uint64_t)row->nets, net) )
            return at;
    for ( ; (uint64_t)row->vbds < columns[C_VBDS]; row->vbds++, vbd += VBD, at = end + 1 )
        if ( at >= last || batch->vbds + row->vbds == room->vbds || !(end = line_end(at, last))
             || !read_vbd(batch->text, at, end, vbd) )
            return at;
    return at;
}

/* Rows from batch->at on, until something is not as expected or there is no more room. Gives how many. */
int64_t xenmeter_rows_read(struct batch *batch)
{
    const struct batch room = *batch;
    const char *at = batch->text + batch->at, *last = batch->text + batch->end;
    int whole = 1;

    batch->rows = batch->vcpus = batch->nets = batch->vbds = 0;
    while ( whole && at < last && batch->rows < room.rows )
    {
        const char *end = line_end(at, last);
        struct row *row = &batch->row[batch->rows];
        uint64_t *columns = batch->columns + COLUMNS * batch->rows;

        row->at = at - batch->text;
        row->head = end ? read_columns(at, end, columns) : 0;
        if ( !row->head )
            break;
        at = read_details(batch, &room, end + 1, last, row, columns);
        whole = (uint64_t)row->nets == columns[C_NETS] && (uint64_t)row->vbds == columns[C_VBDS];
        batch->vcpus += row->vcpus > 0 ? row->vcpus : 0;
        batch->nets += row->nets;
        batch->vbds += row->vbds;
        batch->rows++;
    }
    batch->at = at - batch->text;
    return batch->rows;
}

#include "rows_records.inc"

int64_t xenmeter_rows_abi(void)
{
    return (int64_t)ABI << 32 | sizeof(struct row) << 16 | sizeof(struct batch);
}
