/* The engine's interface (sernet_engine.h) for TensorFlow Lite Micro, for models with operators
 * that the native engine does not know. It collects rows in the interpreter's input tensor; a
 * window's last row runs the whole network. Compile and link it with your own TFLM, as C++17. */
#include "sernet_engine.h"

#include <cstring>
#include <new>

#include "sernet_model.h"
#include "sernet_tflm_ops.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#ifdef SERNET_TFLM_VARIABLES
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#endif
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

constexpr size_t kArenaAlignment = 16; /* the alignment of TFLM's tensors */

/* Lies at the start of the caller's state, before the arena. The interpreter points to the ops. */
struct Runner {
#ifdef SERNET_TFLM_VARIABLES
    explicit Runner(uint8_t *arena)
        : registered(sernet_register_ops(ops) == kTfLiteOk),
          allocator(tflite::MicroAllocator::Create(arena, SERNET_TFLM_ARENA_BYTES)),
          interpreter(tflite::GetModel(sernet_flatbuffer), ops, allocator,
                      tflite::MicroResourceVariables::Create(allocator, SERNET_TFLM_VARIABLES)) {}
#else
    explicit Runner(uint8_t *arena)
        : registered(sernet_register_ops(ops) == kTfLiteOk),
          interpreter(tflite::GetModel(sernet_flatbuffer), ops, arena, SERNET_TFLM_ARENA_BYTES) {}
#endif

    sernet_tflm_ops ops;
    bool registered;
#ifdef SERNET_TFLM_VARIABLES
    tflite::MicroAllocator *allocator;
#endif
    tflite::MicroInterpreter interpreter;
    uint32_t rows = 0; /* rows of the window so far */
    bool has_run = false;
};

static_assert(sizeof(Runner) + kArenaAlignment <= SERNET_TFLM_OBJECT_BYTES,
              "this TFLM's interpreter is larger: raise SERNET_TFLM_OBJECT_BYTES");
static_assert(alignof(Runner) <= SERNET_STATE_ALIGN, "the state is not aligned for this TFLM");

Runner *runner_in(void *state) { return std::launder(static_cast<Runner *>(state)); }

}  // namespace

/* The first window starts with a new interpreter. All its memory lies in the state, so the old one
 * needs no destructor, and nothing remains of a window that failed. */
extern "C" int sernet_net_reset(const sernet_net *net, void *state, size_t bytes) {
    if (net == nullptr || state == nullptr) return SERNET_ERROR_NULL;
    const auto address = reinterpret_cast<uintptr_t>(state);
    if (address % SERNET_STATE_ALIGN != 0) return SERNET_ERROR_ALIGN;
    if (bytes < net->state_bytes) return SERNET_ERROR_SIZE;
    const uintptr_t end = address + sizeof(Runner);
    const uintptr_t arena = (end + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
    auto *runner = new (state) Runner(reinterpret_cast<uint8_t *>(arena));
    if (!runner->registered) return SERNET_ERROR_STATE;
    if (runner->interpreter.AllocateTensors() != kTfLiteOk) return SERNET_ERROR_SIZE;
    if (runner->interpreter.input(0)->bytes != SERNET_MODEL_INPUT_ROWS * SERNET_MODEL_INPUT_ROW_BYTES ||
        runner->interpreter.output(0)->bytes != SERNET_MODEL_OUTPUT_BYTES)
        return SERNET_ERROR_CONTRACT;
    return SERNET_OK;
}

/* The next window also starts with a new interpreter, unless the model has variables to keep. */
extern "C" int sernet_net_next(const sernet_net *net, void *state) {
    if (net == nullptr || state == nullptr) return SERNET_ERROR_NULL;
#ifdef SERNET_TFLM_VARIABLES
    Runner *runner = runner_in(state);
    runner->rows = 0;
    runner->has_run = false;
    return SERNET_OK;
#else
    return sernet_net_reset(net, state, net->state_bytes);
#endif
}

extern "C" int sernet_net_take(const sernet_net *net, void *state, const int8_t *row) {
    if (net == nullptr || state == nullptr || row == nullptr) return SERNET_ERROR_NULL;
    Runner *runner = runner_in(state);
    if (runner->rows == SERNET_MODEL_INPUT_ROWS) return SERNET_OK;
    std::memcpy(runner->interpreter.input(0)->data.int8 +
                    runner->rows * SERNET_MODEL_INPUT_ROW_BYTES,
                row, SERNET_MODEL_INPUT_ROW_BYTES);
    runner->rows++;
    return SERNET_OK;
}

extern "C" int sernet_net_step(const sernet_net *net, void *state) {
    if (net == nullptr || state == nullptr) return SERNET_ERROR_NULL;
    Runner *runner = runner_in(state);
    if (runner->rows < SERNET_MODEL_INPUT_ROWS || runner->has_run) return 0;
    runner->has_run = true;
    return runner->interpreter.Invoke() == kTfLiteOk ? 1 : SERNET_ERROR_STATE;
}

extern "C" int sernet_net_push(const sernet_net *net, void *state, const int8_t *row) {
    int status = sernet_net_take(net, state, row);
    if (status < 0) return status;
    status = sernet_net_step(net, state);
    if (status < 0) return status;
    return runner_in(state)->has_run ? SERNET_READY : SERNET_OK;
}

extern "C" const int8_t *sernet_net_output(const sernet_net *net, const void *state) {
    if (net == nullptr || state == nullptr) return nullptr;
    return runner_in(const_cast<void *>(state))->interpreter.output(0)->data.int8;
}
