/* One thread writes numbers into a ring, another reads them: all must arrive, in order. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "sernet_ring.h"

enum { TOTAL = 200000, CAPACITY = 64 };

static int16_t memory[CAPACITY];
static sernet_ring ring;

static void *writer(void *unused) {
    int16_t chunk[37];
    for (uint32_t sent = 0; sent < TOTAL;) {
        uint32_t count = 1 + sent % 37;
        if (count > TOTAL - sent) count = TOTAL - sent;
        for (uint32_t i = 0; i < count; i++) chunk[i] = (int16_t)((sent + i) % 30011);
        const uint32_t taken = sernet_ring_write(&ring, chunk, count);
        if (taken < count) sched_yield();
        sent += taken;
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    uint32_t seen = 0, wrong = 0;
    if (sernet_ring_init(&ring, memory, CAPACITY) != 0) return 2;
    if (pthread_create(&thread, NULL, writer, NULL) != 0) return 3;
    while (seen < TOTAL) {
        const int16_t *pcm;
        uint32_t count = sernet_ring_peek(&ring, &pcm);
        if (count == 0) sched_yield();
        /* Sometimes fewer than the ring holds. */
        if (count > 5 && seen % 3 == 0) count -= 3;
        for (uint32_t i = 0; i < count; i++) wrong += pcm[i] != (int16_t)((seen + i) % 30011);
        sernet_ring_consume(&ring, count);
        seen += count;
    }
    pthread_join(thread, NULL);
    printf("seen %u wrong %u\n", (unsigned)seen, (unsigned)wrong);
    return wrong != 0;
}
