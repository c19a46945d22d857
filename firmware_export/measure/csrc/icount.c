/* A QEMU plugin that counts the instructions that a guest executes between BOARD_COUNT_START and
 * BOARD_COUNT_STOP (board.h), and prints the count of each such region, in order. Instructions are
 * not cycles. Debian has no header for plugins, so this file declares the part of QEMU's API
 * (version 1) that it uses.
 *
 * gcc -O2 -fPIC -shared -o libicount.so icount.c; qemu-system-arm ... -plugin ./libicount.so */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum qemu_plugin_op,
                                                void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *,
                                            void (*)(unsigned, void *),
                                            enum qemu_plugin_cb_flags, void *);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t, const struct qemu_info_t *, int, char **);

enum { START = 0x46d2, STOP = 0x46db }; /* mov r10, r10; mov r11, r11 */

static uint64_t executed, started_at;

static void start(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    started_at = executed;
}

static void stop(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    fprintf(stderr, "region %" PRIu64 "\n", executed - started_at - 1); /* without the stop itself */
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64,
                                                   &executed, 1);
        uint16_t word;
        /* At a page's end QEMU counts the next instruction as a part of this one, so the size may
         * exceed two bytes. No 32-bit instruction begins with either word. */
        if (qemu_plugin_insn_size(instruction) < sizeof word) continue;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        if (word == START || word == STOP)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, word == START ? start : stop,
                                                   QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
                        char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
