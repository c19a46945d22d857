/* Feeds sernet_decide with the sequence in sequence.h and prints its results: doubles as bits. */
#include <string.h>

#include "sequence.h"
#include "sernet_decide.h"

#ifdef SERNET_BARE_METAL
#include "board.h"
#else
#include <stdio.h>
static void board_print(const char *text) { fputs(text, stdout); }
#endif

static void print_number(uint64_t number) {
    char digits[22], *at = digits + sizeof digits;
    *--at = '\0';
    *--at = ' ';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    board_print(at);
}

static void print_double(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    print_number(bits);
}

static void print_events(const sernet_decision *decision) {
    for (uint32_t i = 0; i < decision->event_count; i++) {
        const sernet_event *event = &decision->events[i];
        board_print("event ");
        print_number((uint64_t)event->kind);
        print_number(event->label);
        print_number(event->number);
        print_double(event->start_s);
        print_double(event->end_s);
        print_double(event->peak);
        board_print("\n");
    }
}

static void print(const sernet_decision *decision) {
    board_print("result ");
    print_double(decision->time_s);
    print_number(decision->label);
    print_number(decision->is_sure);
    for (uint32_t i = 0; i < SERNET_LABEL_COUNT && decision->label != SERNET_NO_LABEL; i++)
        print_double(decision->scores[i]);
    board_print("\n");
    print_events(decision);
}

int main(void) {
    static sernet_decider decider;
    sernet_decision decision;
    sernet_decider_reset(&decider);
    for (uint32_t n = 0; n < sizeof sequence / sizeof *sequence; n++) {
        if (sequence[n].speaks) {
            sernet_result result = {0};
            result.frames = sequence[n].frames;
            memcpy(result.scores_int8, sequence[n].scores, sizeof result.scores_int8);
            sernet_decide(&decider, &result, sequence[n].drifts, &decision);
        } else
            sernet_decide_silence(&decider, sequence[n].frames, &decision);
        print(&decision);
    }
    sernet_decide_end(&decider, &decision);
    print_events(&decision);
    return 0;
}
