/* Measures times on this computer: after a warm-up, it times each of many repetitions. The
 * program's arguments: repetitions of the warm-up, the most repetitions to measure, and the
 * milliseconds after which to stop (but not before five repetitions). It prints lines of a name and
 * nanoseconds: `wall` for each repetition, then `cpu` for all repetitions together. */
#ifndef HOST_TIME_H
#define HOST_TIME_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_REPETITIONS = 10000 };

static long long now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return 1000000000LL * time.tv_sec + time.tv_nsec;
}

/* Times `work`; returns 0, or 2 if the arguments are wrong. */
static int time_repeatedly(int argc, char **argv, void (*work)(void)) {
    static long long wall_ns[MOST_REPETITIONS];
    if (argc != 4) return 2;
    const int warm_up = atoi(argv[1]), most = atoi(argv[2]);
    const long long budget = 1000000LL * atoi(argv[3]);
    for (int i = 0; i < warm_up; i++) work();
    const long long cpu = now(CLOCK_PROCESS_CPUTIME_ID), start = now(CLOCK_MONOTONIC);
    int count = 0;
    while (count < most && count < MOST_REPETITIONS &&
           (count < 5 || now(CLOCK_MONOTONIC) - start < budget)) {
        const long long begin = now(CLOCK_MONOTONIC);
        work();
        wall_ns[count++] = now(CLOCK_MONOTONIC) - begin;
    }
    const long long cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (int i = 0; i < count; i++) printf("wall %lld\n", wall_ns[i]);
    printf("cpu %lld\n", cpu_ns);
    return 0;
}

#endif
