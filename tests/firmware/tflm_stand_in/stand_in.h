/* The part of TensorFlow Lite Micro's interface that sernet_tflm.cc uses. Its interpreter has two
 * outputs: the number of windows since it or its variables were created, and the window's sum. */
#ifndef STAND_IN_H
#define STAND_IN_H

#include <cstddef>
#include <cstdint>
#include <new>

#include "sernet_model.h"

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

struct TfLiteTensor {
    union {
        int8_t *int8;
    } data;
    size_t bytes;
};

namespace tflite {

struct Model {};

inline const Model *GetModel(const void *flatbuffer) {
    static const Model model;
    return flatbuffer != nullptr ? &model : nullptr;
}

template <unsigned Count>
struct MicroMutableOpResolver {
    unsigned added = 0;
    TfLiteStatus Add() { return ++added <= Count ? kTfLiteOk : kTfLiteError; }
#define METHOD(name) \
    TfLiteStatus name() { return Add(); }
#include "methods.h"
#undef METHOD
};

struct MicroAllocator {
    uint8_t *arena;
    size_t bytes;
    static MicroAllocator *Create(uint8_t *arena, size_t bytes) {
        if (reinterpret_cast<uintptr_t>(arena) % 16 != 0) return nullptr;
        return new (arena) MicroAllocator{arena, bytes};
    }
};

struct MicroResourceVariables {
    int8_t windows;
    int count;
    static MicroResourceVariables *Create(MicroAllocator *allocator, int count) {
        return new (allocator->arena + sizeof(MicroAllocator)) MicroResourceVariables{0, count};
    }
};

class MicroInterpreter {
  public:
    template <typename Resolver>
    MicroInterpreter(const Model *, const Resolver &resolver, uint8_t *arena, size_t bytes)
        : MicroInterpreter(resolver, bytes, nullptr) {
        (void)arena;
    }
    template <typename Resolver>
    MicroInterpreter(const Model *, const Resolver &resolver, MicroAllocator *allocator,
                     MicroResourceVariables *variables)
        : MicroInterpreter(resolver, allocator->bytes, variables) {}

    TfLiteStatus AllocateTensors() {
        return added_ > 0 && bytes_ >= input_.bytes + output_.bytes ? kTfLiteOk : kTfLiteError;
    }
    TfLiteTensor *input(int) { return &input_; }
    TfLiteTensor *output(int) { return &output_; }
    TfLiteStatus Invoke() {
        int8_t sum = 0;
        for (size_t i = 0; i < input_.bytes; i++) sum = static_cast<int8_t>(sum + in_[i]);
        out_[0] = variables_ != nullptr ? ++variables_->windows : ++runs_;
        if (output_.bytes > 1) out_[1] = sum;
        return kTfLiteOk;
    }

  private:
    template <typename Resolver>
    MicroInterpreter(const Resolver &resolver, size_t bytes, MicroResourceVariables *variables)
        : added_(resolver.added), bytes_(bytes), variables_(variables) {
        input_ = {{in_}, sizeof in_};
        output_ = {{out_}, sizeof out_};
    }

    unsigned added_;
    size_t bytes_;
    MicroResourceVariables *variables_;
    int8_t runs_ = 0;
    /* Outside the caller's state: a real interpreter uses that for its arena. */
    static inline int8_t in_[SERNET_MODEL_INPUT_ROWS * SERNET_MODEL_INPUT_ROW_BYTES];
    static inline int8_t out_[SERNET_MODEL_OUTPUT_BYTES];
    TfLiteTensor input_, output_;
};

}  // namespace tflite

#endif
