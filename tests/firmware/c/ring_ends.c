/* Tests a ring's limits: full, empty, wrap-around, counters beyond 2^32, and wrong arguments. */
#include <stdio.h>

#include "sernet_ring.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("line %d: " #what "\n", __LINE__);                                              \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

int main(void) {
    int16_t memory[8];
    const int16_t in[11] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, *out = NULL;
    sernet_ring ring;
    CHECK(sernet_ring_init(NULL, memory, 8) == -1);
    CHECK(sernet_ring_init(&ring, NULL, 8) == -1);
    CHECK(sernet_ring_init(&ring, memory, 0) == -1);
    CHECK(sernet_ring_init(&ring, memory, 6) == -1);
    CHECK(sernet_ring_init(&ring, memory, 8) == 0);
    CHECK(sernet_ring_peek(&ring, &out) == 0);
    CHECK(sernet_ring_write(&ring, in, 0) == 0);
    /* The counters will soon wrap to 0. */
    ring.written = ring.read = UINT32_MAX - 2;
    CHECK(sernet_ring_write(&ring, in, 11) == 8);
    CHECK(sernet_ring_lost(&ring) == 3);
    CHECK(sernet_ring_write(&ring, in, 1) == 0 && sernet_ring_lost(&ring) == 4);
    /* From index 5 on, three numbers are contiguous. */
    CHECK(sernet_ring_peek(&ring, &out) == 3 && out[0] == 1 && out[2] == 3);
    sernet_ring_consume(&ring, 2);
    CHECK(sernet_ring_peek(&ring, &out) == 1 && out[0] == 3);
    sernet_ring_consume(&ring, 1);
    CHECK(sernet_ring_peek(&ring, &out) == 5 && out[0] == 4 && out[4] == 8);
    CHECK(sernet_ring_write(&ring, in + 8, 3) == 3);
    sernet_ring_consume(&ring, 5);
    CHECK(sernet_ring_peek(&ring, &out) == 3 && out[0] == 9 && out[2] == 11);
    sernet_ring_consume(&ring, 3);
    CHECK(sernet_ring_peek(&ring, &out) == 0);
    return 0;
}
