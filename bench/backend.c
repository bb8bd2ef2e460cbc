/* A backend to measure proxies with: tokens at a steady rate, one event a write, or one small JSON answer.
 *
 *     backend PORT RATE     RATE: tokens a second and stream; prints "ready" when it listens
 *
 * POST /v1/messages streams as Anthropic does, any other path as OpenAI does. The request's body decides: `"stream":
 * true` or the small answer, `"max_tokens"` how many tokens, `"model": "silent"` no more than the first one, and no end.
 */
#include "wire.h"

typedef struct Stream {
    int fd, anthropic, silent, sent, total;
    ns_t due;
    struct Stream *next;
    int used;
    char request[HEAD_BYTES];
} Stream;

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char SMALL[] =
    "{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion\",\"created\":1763600000,"
    "\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The lighthouse "
    "keeper counted the ships until the fog came in, and then he counted the bells.\",\"refusal\":null},"
    "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":21,"
    "\"total_tokens\":40}}";
static const char OPENAI[] =
    "data: {\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\","
    "\"created\":1763600000,\"model\":\"bench-1\",\"service_tier\":\"default\",\"system_fingerprint\":"
    "\"fp_0a1b2c3d4e\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" STAMP "\"},\"logprobs\":null,"
    "\"finish_reason\":null}]}\n\n";
static const char OPENAI_END[] =
    "data: {\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\","
    "\"created\":1763600000,\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
static const char ANTHROPIC_START[] =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01XFDUDYJgAACzvnptvVoYEL\","
    "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-1\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":19,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
    "{\"type\":\"text\",\"text\":\"\"}}\n\n";
static const char ANTHROPIC[] =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
    "{\"type\":\"text_delta\",\"text\":\"" STAMP "\"}}\n\n";
static const char ANTHROPIC_END[] =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":250}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

static Stream *first, *last; /* by due time: all have one period, so whoever is served goes to the end */
static ns_t period;

static void send_all(Stream *s, const char *bytes, int size) {
    /* a stream of any length measured here fits into the socket's buffer: a short write is a broken run */
    if (send(s->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) != size) shutdown(s->fd, SHUT_RDWR);
}

static void send_chunk(Stream *s, const char *event, int size, const char *after) {
    char out[4096];
    int n = snprintf(out, sizeof out, "%x\r\n%s\r\n%s", size, event, after);
    send_all(s, out, n);
}

static void wait_turn(Stream *s) {
    s->next = NULL;
    last = first ? (last->next = s) : (first = s);
}

static void speak(Stream *s) {
    char event[1024];
    if (s->sent == s->total) {
        const char *end = s->anthropic ? ANTHROPIC_END : OPENAI_END;
        send_chunk(s, end, strlen(end), "0\r\n\r\n");
        s->total = 0;
        return;
    }
    int size = snprintf(event, sizeof event, s->anthropic ? ANTHROPIC : OPENAI, s->sent++, now());
    send_chunk(s, event, size, "");
    s->due += period;
    if (!s->silent) wait_turn(s);
}

static const char *value(const char *body, const char *key) {
    const char *found = strstr(body, key);
    if (!found) return "";
    found += strlen(key);
    return found + strspn(found, ": \"");
}

static void answer(Stream *s, const char *body) {
    if (strncmp(value(body, "\"stream\""), "true", 4)) {
        char out[2048];
        send_all(s, out, snprintf(out, sizeof out,
                                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                  strlen(SMALL), SMALL));
        return;
    }
    s->anthropic = !strncmp(s->request, "POST /v1/messages", 17);
    s->silent = !strncmp(value(body, "\"model\""), "silent", 6);
    s->total = atoi(value(body, "\"max_tokens\""));
    s->sent = 0;
    s->due = now();
    send_all(s, HEAD, strlen(HEAD));
    if (s->anthropic) send_chunk(s, ANTHROPIC_START, strlen(ANTHROPIC_START), "");
    speak(s);
}

/* How many bytes a whole request has, 0 where it is not whole yet; `body` is where its body begins. */
static int request_size(Stream *s, const char **body) {
    s->request[s->used] = 0;
    char *end = strstr(s->request, "\r\n\r\n");
    if (!end) return 0;
    *body = end + 4;
    end[2] = 0;
    const char *length = header(s->request, "\r\ncontent-length:");
    int chunked = !!header(s->request, "\r\ntransfer-encoding: chunked");
    end[2] = '\r';
    if (chunked) {
        char *stop = strstr(*body, "0\r\n\r\n");
        return stop ? stop + 5 - s->request : 0;
    }
    int size = *body - s->request + (length ? atoi(length) : 0);
    return size <= s->used ? size : 0;
}

static void forget(Stream *s) {
    Stream **link = &first, *before = NULL;
    while (*link && *link != s) before = *link, link = &(*link)->next;
    if (*link && !(*link = s->next)) last = before;
    close(s->fd);
    free(s);
}

static void hear(Stream *s) {
    int n = recv(s->fd, s->request + s->used, HEAD_BYTES - 1 - s->used, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        forget(s);
        return;
    }
    s->used += n;
    const char *body;
    int size = request_size(s, &body);
    if (!size) return;
    answer(s, body);
    memmove(s->request, s->request + size, s->used -= size);
}

static void welcome(int poll, int listening) {
    int fd, room = 1 << 20;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Stream *s = made(sizeof *s);
        s->fd = fd;
        no_delay(fd);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        watch(poll, fd, s);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: backend PORT RATE\n");
        return 2;
    }
    period = SECOND / atof(argv[2]);
    prctl(PR_SET_TIMERSLACK, 1);
    struct sockaddr_in here = local(atoi(argv[1]));
    int one = 1, poll = epoll_create1(0), listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (void *)&here, sizeof here) || listen(listening, 4096)) die("listen");
    watch(poll, listening, NULL);
    puts("ready");
    fflush(stdout);
    struct epoll_event events[256];
    for (;;) {
        int found = wait_until(poll, events, 256, first ? first->due : 0);
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr) hear(events[i].data.ptr);
            else welcome(poll, listening);
        }
        ns_t t = now();
        while (first && first->due <= t) {
            Stream *s = first;
            first = s->next;
            speak(s);
        }
    }
}
