/* The client's side: it asks, reads, checks that every token came once and in order, and says when each came.
 *
 *     load PORT PATH MODE CONNECTIONS NUMBER [HEADER] [PID,PID...]
 *
 * MODE stream: one stream of NUMBER tokens a connection, their starts spread evenly over one second.
 * MODE small:  answers of one piece, one after the other on each connection, for NUMBER seconds.
 * MODE hold:   one stream a connection that falls silent after its first token; "held" is printed when all have
 *              that, and the end comes with the end of standard input.
 * The last line is one JSON object. CPU time is that of the PIDs, all threads; `steady` is the part of the run in
 * which all streams are under way. Delays and waits are microseconds, from the backend's write to this read.
 */
#include "wire.h"

typedef struct {
    int fd, state, chunked, tokens, used, in_stamp;
    long long left; /* of the body, or of the chunk; -1: a chunk's size comes */
    ns_t begun;
    char head[HEAD_BYTES], stamp[STAMP_BYTES], size[20];
    int size_used;
} Client;

enum { UNBORN, HEAD, BODY, OVER };

typedef struct {
    ns_t *at;
    long used, room;
} Samples;

static Samples delays, waits;
static long tokens, reads, errors, answers, steady_tokens;
static ns_t steady_from, steady_to, cpu_from, cpu_to;
static int born, over, connections, number, hold, small, poll_fd, port;
static char request[HEAD_BYTES];
static int request_size;
static pid_t pids[64];
static int pid_count;

static void keep(Samples *samples, ns_t value) {
    if (samples->used == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 65536;
        samples->at = realloc(samples->at, samples->room * sizeof *samples->at);
        if (!samples->at) die("memory");
    }
    samples->at[samples->used++] = value;
}

static int by_size(const void *a, const void *b) {
    ns_t x = *(const ns_t *)a, y = *(const ns_t *)b;
    return (x > y) - (x < y);
}

static double percentile(Samples *samples, double share) {
    return samples->used ? samples->at[(long)(share * (samples->used - 1) + 0.5)] / 1e3 : 0;
}

static ns_t cpu(void) {
    ns_t sum = 0;
    for (int i = 0; i < pid_count; i++) {
        clockid_t clock;
        struct timespec t;
        if (!clock_getcpuclockid(pids[i], &clock) && !clock_gettime(clock, &t)) sum += t.tv_sec * SECOND + t.tv_nsec;
    }
    return sum;
}

static void ask(Client *c) {
    c->state = HEAD;
    c->used = c->tokens = c->in_stamp = 0;
    c->begun = now();
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) != request_size) errors++;
}

static void give_birth(Client *c) {
    struct sockaddr_in there = local(port);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) die("socket");
    if (connect(c->fd, (void *)&there, sizeof there)) {
        close(c->fd);
        c->state = OVER;
        over++, errors++;
        return;
    }
    no_delay(c->fd);
    watch(poll_fd, c->fd, c);
    ask(c);
}

static void token(Client *c, ns_t t) {
    c->stamp[STAMP_BYTES - 1] = 0;
    int place = atoi(c->stamp + 1);
    if (place < c->tokens) return; /* a last frame that repeats the whole answer */
    if (place > c->tokens) errors++;
    keep(&delays, t - strtoull(c->stamp + 9, NULL, 10));
    tokens++;
    if (c->tokens++) return;
    keep(&waits, t - c->begun);
    if (waits.used < connections || steady_to) return; /* some ended before all had begun: nothing was steady */
    steady_from = t, cpu_from = cpu(), steady_tokens = tokens;
    if (hold) puts("held"), fflush(stdout);
}

static void finish(Client *c) {
    ns_t t = now();
    answers++;
    if (small) {
        keep(&delays, t - c->begun);
        if (t < steady_to) {
            ask(c);
            return;
        }
    } else if (c->tokens != number) {
        errors++;
    }
    if (!small && !steady_to) {
        steady_to = t;
        if (steady_from) cpu_to = cpu(), steady_tokens = tokens - steady_tokens;
    }
    c->state = OVER;
    over++;
}

static void text(Client *c, const char *bytes, int size, ns_t t) {
    while (size > 0) {
        if (!c->in_stamp) {
            const char *mark = memchr(bytes, '~', size);
            if (!mark) return;
            size -= mark - bytes, bytes = mark;
        }
        int take = STAMP_BYTES - 1 - c->in_stamp < size ? STAMP_BYTES - 1 - c->in_stamp : size;
        memcpy(c->stamp + c->in_stamp, bytes, take);
        bytes += take, size -= take;
        if ((c->in_stamp += take) == STAMP_BYTES - 1) c->in_stamp = 0, token(c, t);
    }
}

static void chunks(Client *c, const char *bytes, int size, ns_t t) {
    while (size > 0 && c->state == BODY) {
        if (c->left < 0) { /* a line: a chunk's size, or the empty one after a chunk */
            char byte = *bytes++;
            size--;
            if (byte != '\n') {
                if (c->size_used < (int)sizeof c->size - 1) c->size[c->size_used++] = byte;
                continue;
            }
            c->size[c->size_used] = 0;
            int blank = c->size[0] == '\r';
            c->size_used = 0;
            if (blank && c->left == -2) finish(c);
            else if (!blank && !(c->left = strtoll(c->size, NULL, 16))) c->left = -2;
            continue;
        }
        int take = c->left < size ? c->left : size;
        text(c, bytes, take, t);
        bytes += take, size -= take;
        if (!(c->left -= take)) c->left = -1;
    }
}

static void body(Client *c, const char *bytes, int size, ns_t t) {
    reads++;
    if (c->chunked) {
        chunks(c, bytes, size, t);
    } else {
        text(c, bytes, size, t);
        if ((c->left -= size) <= 0) finish(c);
    }
}

static void head(Client *c, const char *bytes, int size, ns_t t) {
    int before = c->used, take = size < HEAD_BYTES - 1 - before ? size : HEAD_BYTES - 1 - before;
    memcpy(c->head + before, bytes, take);
    c->head[c->used += take] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return;
    int used = end + 4 - c->head - before;
    end[2] = 0;
    if (strncmp(c->head + 8, " 200", 4) && !errors++) fprintf(stderr, "%s\n", c->head);
    c->chunked = !!header(c->head, "\r\ntransfer-encoding: chunked");
    const char *length = header(c->head, "\r\ncontent-length:");
    c->left = c->chunked ? -1 : length ? atoll(length) : (1ll << 60);
    c->size_used = 0;
    c->state = BODY;
    if (size > used) body(c, bytes + used, size - used, t);
}

static void hear(Client *c) {
    static char bytes[1 << 18];
    int size = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    ns_t t = now();
    if (size <= 0) {
        if (c->state != OVER) errors++, over++, c->state = OVER;
        close(c->fd);
    } else if (c->state == HEAD) {
        head(c, bytes, size, t);
    } else if (c->state == BODY) {
        body(c, bytes, size, t);
    }
}

static void prepare(char **argv) {
    char said[512];
    const char *extra = argv[6] ? argv[6] : "";
    int size = snprintf(said, sizeof said,
                        "{\"model\":\"%s\",\"stream\":%s,\"max_tokens\":%d,\"messages\":[{\"role\":\"user\","
                        "\"content\":\"Tell me of the lighthouse keeper\"}]}",
                        hold ? "silent" : "bench-1", small ? "false" : "true", small ? 21 : number);
    request_size = snprintf(request, sizeof request,
                            "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                            "Accept: */*\r\nUser-Agent: bench\r\n%s%sContent-Length: %d\r\n\r\n%s",
                            argv[2], port, extra, *extra ? "\r\n" : "", size, said);
    for (char *pid = argv[6] && argv[7] ? strtok(argv[7], ",") : NULL; pid && pid_count < 64; pid = strtok(NULL, ","))
        pids[pid_count++] = atoi(pid);
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: load PORT PATH stream|small|hold CONNECTIONS NUMBER [HEADER] [PID,PID...]\n");
        return 2;
    }
    port = atoi(argv[1]), connections = atoi(argv[4]), number = atoi(argv[5]);
    small = !strcmp(argv[3], "small"), hold = !strcmp(argv[3], "hold");
    prepare(argv);
    prctl(PR_SET_TIMERSLACK, 1);
    poll_fd = epoll_create1(0);
    if (hold) watch(poll_fd, 0, NULL);
    Client *clients = made(connections * sizeof *clients);
    struct epoll_event events[256];
    ns_t begun = now(), cpu_begun = cpu(), limit = begun + (hold ? 3600 : number + 60) * SECOND;
    if (small) steady_from = begun, steady_to = begun + number * SECOND;
    while (over < connections) {
        ns_t t = now(), due = born < connections ? begun + born * SECOND / connections : t + SECOND;
        if (small) due = born < connections ? t : due;
        if (t > limit) errors += connections - over, over = connections;
        if (born < connections && t >= due) give_birth(&clients[born++]);
        int found = wait_until(poll_fd, events, 256, due);
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr) hear(events[i].data.ptr);
            else over = connections;
        }
    }
    double elapsed = (now() - begun) / 1e9, spent = (cpu() - cpu_begun) / 1e3;
    int steady = !small && steady_from && steady_to;
    qsort(delays.at, delays.used, sizeof(ns_t), by_size);
    qsort(waits.at, waits.used, sizeof(ns_t), by_size);
    printf("{\"elapsed_s\":%.3f,\"answers\":%ld,\"tokens\":%ld,\"reads\":%ld,\"errors\":%ld,\"cpu_us\":%.1f,"
           "\"steady_cpu_us\":%.1f,\"steady_tokens\":%ld,\"steady_s\":%.3f,\"delay_p50\":%.1f,\"delay_p99\":%.1f,"
           "\"wait_p50\":%.1f,\"wait_p99\":%.1f}\n",
           elapsed, answers, tokens, reads, errors, spent, steady ? (cpu_to - cpu_from) / 1e3 : 0, steady ? steady_tokens : 0,
           steady ? (steady_to - steady_from) / 1e9 : 0, percentile(&delays, .5),
           percentile(&delays, .99), percentile(&waits, .5), percentile(&waits, .99));
    return errors > 0;
}
