/* What the backend and the load generator share. Times are CLOCK_MONOTONIC nanoseconds, the same in both. */
#ifndef WIRE_H
#define WIRE_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A token's text: its number in the stream and when it was sent. It survives any JSON encoder as it is. */
#define STAMP "~%07d.%019llu "
#define STAMP_BYTES 29
#define HEAD_BYTES 16384
#define SECOND 1000000000ull

typedef unsigned long long ns_t;

static inline ns_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(2);
}

static inline void *made(size_t size) {
    void *memory = calloc(1, size);
    if (!memory) die("memory");
    return memory;
}

static inline struct sockaddr_in local(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void watch(int poll, int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

/* Waits until `due`, or for ever where it is 0. Whole milliseconds, as of epoll_wait, would send tokens in lumps. */
static inline int wait_until(int poll, struct epoll_event *events, int most, ns_t due) {
    ns_t t = due ? now() : 0, left = due > t ? due - t : 0;
    struct timespec patience = {.tv_sec = left / SECOND, .tv_nsec = left % SECOND};
    int found = epoll_pwait2(poll, events, most, due ? &patience : NULL, NULL);
    if (found < 0 && errno != EINTR) die("epoll_pwait2");
    return found < 0 ? 0 : found;
}

static inline void no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* The value of a header of a head that ends in NUL, lower or upper case; NULL where it is not there. */
static inline const char *header(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

#endif
