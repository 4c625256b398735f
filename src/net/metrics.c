/* SPDX-License-Identifier: Apache-2.0
 * GET /metrics: counters of the server and the store, as Prometheus reads them. */
#include "net/net_private.h"
#include "os/os.h"

static void put(th_buf *out, const char *type, const char *name, const char *help, uint64_t value)
{
    th_buf_printf(out, "# HELP trailhold_%s %s\n# TYPE trailhold_%s %s\ntrailhold_%s %llu\n", name,
                  help, name, type, name, (unsigned long long)value);
}

static void put_counter(th_buf *out, const char *name, const char *help,
                        const atomic_uint_fast64_t *value)
{
    put(out, "counter", name, help, atomic_load(value));
}

static void put_answers(th_buf *out, const net_counters *c)
{
    th_buf_add_text(out, "# HELP trailhold_http_answers_total Answers by status class\n"
                         "# TYPE trailhold_http_answers_total counter\n");
    for (int hundreds = 2; hundreds < 6; hundreds++) {
        th_buf_printf(out, "trailhold_http_answers_total{class=\"%dxx\"} %llu\n", hundreds,
                      (unsigned long long)atomic_load(&c->answers[hundreds]));
    }
}

static void put_server(th_buf *out, net_server *server)
{
    const net_counters *c = &server->counters;
    put_answers(out, c);
    put_counter(out, "connections_accepted_total", "Connections accepted", &c->accepted);
    put_counter(out, "refused_full_total",
                "Connections and requests refused because a queue was full", &c->refused_full);
    put_counter(out, "received_bytes_total", "Bytes received", &c->bytes_in);
    put_counter(out, "sent_bytes_total", "Bytes sent", &c->bytes_out);
    put_counter(out, "sql_statements_total", "Statements run over HTTP", &c->sql);
    put_counter(out, "sql_errors_total", "Statements that failed", &c->sql_errors);
    put_counter(out, "sql_rows_total", "Result rows sent", &c->sql_rows);
    put_counter(out, "ingest_objects_total", "Objects taken over HTTP", &c->ingests);
    put_counter(out, "ingest_errors_total", "Objects that could not be stored", &c->ingest_errors);
    put_counter(out, "ingest_records_total", "Records newly stored over HTTP", &c->ingest_records);
    pthread_mutex_lock(&server->lock);
    uint32_t connections = server->conn_count;
    pthread_mutex_unlock(&server->lock);
    put(out, "gauge", "connections", "Open connections", connections);
    put(out, "gauge", "requests_waiting", "Requests that wait for a worker",
        net_jobs_waiting(server->jobs));
    put(out, "gauge", "request_body_bytes", "Request bodies held in memory",
        th_budget_used(&server->bodies));
    put(out, "gauge", "loop_lag_p99_microseconds", "99th percentile of the loop's lag",
        net_histogram_p99(&server->lag));
    put(out, "gauge", "loop_lag_max_microseconds", "Largest lag of the loop",
        atomic_load(&server->lag.max_us));
}

static void put_store(th_buf *out, const th_store_stats *s)
{
    put(out, "gauge", "lsn", "Last published log position", s->lsn);
    put(out, "counter", "commits_total", "Commits since start", s->commits);
    put(out, "counter", "merges_total", "Merges since start", s->merges);
    put(out, "gauge", "journals", "Journals that are not merged", s->journals);
    put(out, "gauge", "sealed_files", "Sealed files", s->sealed_files);
    put(out, "gauge", "stored_bytes", "Bytes on disk", s->stored_bytes);
    put(out, "gauge", "commit_queue_depth", "Writes that wait for the committer", s->queue_depth);
}

void net_run_metrics(net_exchange *ex)
{
    net_server *server = ex->server;
    th_buf out;
    th_buf_init(&out, 64u << 10);
    th_store_stats stats = {0};
    server->services->stats(&server->options, &stats);
    put_server(&out, server);
    put_store(&out, &stats);
    put(&out, "gauge", "memory_bytes", "Anonymous and shared memory of the process",
        th_os_memory_used());
    net_answer_whole(ex, 200, "text/plain; version=0.0.4", "", th_buf_slice(&out));
    th_buf_free(&out);
}
