/* PostgreSQL over libpq, without ever waiting longer than timeout_ms.
 *
 * Happy path: the connection is made in steps and statements are sent without blocking; in between we wait
 * for the socket, until a deadline. Failure modes: past the deadline, or when the connection breaks, it is
 * closed, and the next db_connect makes another; right after a failed one it fails at once, so that those who
 * queue behind it do not each wait as long. The server gives up a statement or a wait for a lock by itself
 * after timeout_ms. Only a name server that does not answer may hold it up for longer. Invariant: outside
 * run there is no statement under way. */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/engine.h"

enum { REST_MS = 1000, GRACE_MS = 1000, NUMBER_TEXT = 24 };
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };

enum { STANDS_STILL = 4 /* times the longest wait */ };

struct postgres {
    PGconn *conn;          /* NULL: not connected */
    uint64_t failed_at_ns; /* when connecting failed last; 0: it did not */
    struct error last;     /* and why */
};

static void ignore_notice(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

/* libpq's messages have several lines, and a newline at the end. */
static int unavailable(const char *message, struct error *e)
{
    return error_set(e, ERR_DATABASE, "PostgreSQL: %.*s", (int)strcspn(message, "\n"), message);
}

static int start(struct db *db, struct error *e)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(db->url, &why);
    if (!options) {
        error_set_field(e, ERR_VALIDATION, "DATABASE_URL", "DATABASE_URL cannot be read: %.*s",
                        (int)strcspn(why ? why : "", "\n"), why ? why : "");
        PQfreemem(why);
        return -ERR_VALIDATION;
    }
    PQconninfoFree(options);
    db->state = NEW(struct postgres);
    return 0;
}

static void disconnect(struct db *db)
{
    struct postgres *p = db->state;
    if (!p || !p->conn)
        return;
    PQfinish(p->conn);
    p->conn = NULL;
    db->connected = false;
}

static void end(struct db *db)
{
    free(TAKE(db->state));
}

static bool usable(struct db *db)
{
    struct postgres *p = db->state;
    return p->conn && PQstatus(p->conn) == CONNECTION_OK;
}

static bool in_transaction(struct db *db)
{
    const struct postgres *p = db->state;
    return p->conn && PQtransactionStatus(p->conn) != PQTRANS_IDLE;
}

/* Waits for the socket; false: the deadline has passed. */
static bool wait_for(PGconn *conn, short events, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    for (;;) {
        uint64_t now = clock_mono_ns();
        if (now >= deadline_ns || fd.fd < 0)
            return false;
        if (poll(&fd, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1) > 0)
            return true;
    }
}

/* ---- connecting ---- */

static int make_connection(struct db *db, struct error *e)
{
    struct postgres *p = db->state;
    const char *const names[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {db->url, "limner", "UTF8", NULL};
    uint64_t deadline = clock_mono_ns() + db->timeout_ms * NS_PER_MS;
    p->conn = PQconnectStartParams(names, values, 1);
    CHECK(p->conn);
    PQsetNoticeProcessor(p->conn, ignore_notice, NULL);
    PostgresPollingStatusType state =
        PQstatus(p->conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
        if (!wait_for(p->conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            return error_set(e, ERR_DATABASE, "PostgreSQL does not answer; %u ms were waited for it",
                             db->timeout_ms);
        state = PQconnectPoll(p->conn);
    }
    if (state == PGRES_POLLING_FAILED)
        return unavailable(PQerrorMessage(p->conn), e);
    return PQsetnonblocking(p->conn, 1) == 0 ? 0 : unavailable(PQerrorMessage(p->conn), e);
}

static int64_t run(struct db *db, const char *sql, const struct db_value *args, unsigned count,
                   db_row_fn *row, void *ctx, struct error *e);

/* Who stands still in the middle of a transaction would keep its rows from all others. */
static int set_up(struct db *db, struct error *e)
{
    static const char *const commit[] = {
        [DB_DURABLE_USUAL] = "",
        [DB_DURABLE_PROCESS] = ", set_config('synchronous_commit', 'off', false)",
        [DB_DURABLE_DISK] = ", set_config('synchronous_commit', 'on', false)",
    };
    char sql[320];
    snprintf(sql, sizeof(sql),
             "SELECT set_config('statement_timeout', '%u', false), "
             "set_config('lock_timeout', '%u', false), "
             "set_config('idle_in_transaction_session_timeout', '%u', false)%s",
             db->timeout_ms, db->timeout_ms, STANDS_STILL * db->timeout_ms, commit[db->durable]);
    return (int)run(db, sql, NULL, 0, NULL, NULL, e);
}

static int connect(struct db *db, struct error *e)
{
    struct postgres *p = db->state;
    if (p->failed_at_ns && clock_mono_ns() - p->failed_at_ns < REST_MS * NS_PER_MS) {
        *e = p->last;
        return -(int)e->code;
    }
    int r = make_connection(db, e);
    if (r == 0)
        r = set_up(db, e);
    p->failed_at_ns = r < 0 ? clock_mono_ns() : 0;
    if (r < 0) {
        p->last = *e;
        disconnect(db);
    }
    return r;
}

/* ---- statements ---- */

/* One argument as libpq wants it: numbers and texts as text, bytes as they are. */
struct argument {
    char number[NUMBER_TEXT];
    char *text; /* a copy that ends in NUL */
};

static const char *value_of(const struct db_value *v, struct argument *a)
{
    switch (v->type) {
    case DB_INT:
        snprintf(a->number, sizeof(a->number), "%lld", (long long)v->num);
        return a->number;
    case DB_TEXT:
        a->text = mem_printf("%.*s", (int)v->size, (const char *)v->data);
        return a->text;
    case DB_BLOB:
        return v->size ? v->data : "";
    case DB_NULL:
        break;
    }
    return NULL;
}

static bool sent(PGconn *conn, const char *sql, const struct db_value *args, unsigned count)
{
    struct argument argument[DB_ARGS_MAX] = {0};
    const char *value[DB_ARGS_MAX] = {0};
    int length[DB_ARGS_MAX] = {0}, binary[DB_ARGS_MAX] = {0};
    for (unsigned i = 0; i < count; i++) {
        value[i] = value_of(&args[i], &argument[i]);
        length[i] = (int)args[i].size;
        binary[i] = args[i].type == DB_BLOB;
    }
    int ok = PQsendQueryParams(conn, sql, (int)count, NULL, value, length, binary, 1);
    for (unsigned i = 0; i < count; i++)
        free(argument[i].text);
    return ok == 1;
}

static bool flushed(PGconn *conn, uint64_t deadline_ns)
{
    int left;
    while ((left = PQflush(conn)) == 1)
        if (!wait_for(conn, POLLIN | POLLOUT, deadline_ns) || PQconsumeInput(conn) == 0)
            return false;
    return left == 0;
}

/* The next result of what was sent; NULL with *ret_late: there is none, or none came in time. */
static PGresult *next_result(PGconn *conn, uint64_t deadline_ns, bool *ret_late)
{
    while (PQisBusy(conn)) {
        if (!wait_for(conn, POLLIN, deadline_ns)) {
            *ret_late = true;
            return NULL;
        }
        if (PQconsumeInput(conn) == 0)
            break; /* the result will say it */
    }
    return PQgetResult(conn);
}

/* By the class of the state: connection, resources, the operator's doing, time-outs and a standby are passing
 * troubles. */
static int fault(const PGresult *result, struct error *e)
{
    static const char *const passing[] = {"08", "40", "53", "55", "57", "58", "25006"};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!why)
        why = PQresultErrorMessage(result);
    bool passes = !state;
    for (unsigned i = 0; state && i < ARRAY_LEN(passing); i++)
        passes |= strncmp(state, passing[i], strlen(passing[i])) == 0;
    return error_set(e, passes ? ERR_DATABASE : ERR_INTERNAL, "PostgreSQL: %.*s", (int)strcspn(why, "\n"),
                     why);
}

static int64_t big_endian(const char *bytes, int size)
{
    uint64_t n = size > 0 && (bytes[0] & 0x80) ? UINT64_MAX : 0;
    for (int i = 0; i < size; i++)
        n = n << 8 | (uint8_t)bytes[i];
    return (int64_t)n;
}

static struct db_value column(const PGresult *result, int row, int i)
{
    if (PQgetisnull(result, row, i))
        return (struct db_value){0};
    const char *value = PQgetvalue(result, row, i);
    int size = PQgetlength(result, row, i);
    switch (PQftype(result, i)) {
    case OID_BOOL:
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return DB_I(big_endian(value, size));
    case OID_BYTEA:
        return DB_B(value, (size_t)size);
    default:
        return (struct db_value){DB_TEXT, 0, value, (size_t)size};
    }
}

static void give_rows(const PGresult *result, db_row_fn *row, void *ctx)
{
    struct db_value columns[DB_COLUMNS_MAX];
    int count = PQnfields(result);
    CHECK(count <= DB_COLUMNS_MAX);
    for (int n = 0; n < PQntuples(result); n++) {
        for (int i = 0; i < count; i++)
            columns[i] = column(result, n, i);
        if (!row(ctx, columns, (unsigned)count))
            return;
    }
}

static int64_t read_result(const PGresult *result, db_row_fn *row, void *ctx, struct error *e)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        if (row)
            give_rows(result, row, ctx);
        return 0;
    case PGRES_COMMAND_OK:
        return strtoll(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
    default:
        return fault(result, e);
    }
}

/* The server ends this connection, though the socket may not say so yet. */
static bool is_farewell(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state && strncmp(state, "57P", 3) == 0;
}

static int64_t lost(struct db *db, struct error *e)
{
    const struct postgres *p = db->state;
    const char *why = PQerrorMessage(p->conn);
    int r = *why ? unavailable(why, e)
                 : error_set(e, ERR_DATABASE, "PostgreSQL does not answer; %u ms were waited for it",
                             db->timeout_ms);
    disconnect(db);
    return r;
}

static int64_t run(struct db *db, const char *sql, const struct db_value *args, unsigned count,
                   db_row_fn *row, void *ctx, struct error *e)
{
    struct postgres *p = db->state;
    if (!p->conn)
        return error_set(e, ERR_DATABASE, "PostgreSQL is not connected");
    uint64_t deadline = clock_mono_ns() + (db->timeout_ms + GRACE_MS) * NS_PER_MS;
    if (!sent(p->conn, sql, args, count) || !flushed(p->conn, deadline))
        return lost(db, e);
    bool late = false, over = false;
    int64_t r = 0;
    PGresult *result;
    while ((result = next_result(p->conn, deadline, &late))) {
        if (r >= 0)
            r = read_result(result, row, ctx, e);
        over |= is_farewell(result);
        PQclear(result);
    }
    if (late || over || PQstatus(p->conn) != CONNECTION_OK) {
        if (r < 0)
            disconnect(db); /* e says it */
        else
            r = lost(db, e);
    }
    return r;
}

const struct db_engine db_postgres = {
    .name = "postgres",
    .start = start,
    .end = end,
    .connect = connect,
    .disconnect = disconnect,
    .usable = usable,
    .run = run,
    .in_transaction = in_transaction,
    .begin_sql = "BEGIN",
    .lock_sql = "SELECT pg_advisory_xact_lock($1)",
};
