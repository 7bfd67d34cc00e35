// Tensors and the tape of reverse-mode differentiation (Wengert list; Griewank and Walther 2008,
// "Evaluating Derivatives"). An op computes its output and, while the tape records, leaves a step
// that adds to its inputs' gradients; Backward runs the steps from last to first.
// Invariant: only the tape keeps activations alive. In mode kForward nothing is recorded, so an
// activation goes with its last handle and a long file can stream through a network.
// Sequences are [batch, time, channels], stored as batch * time rows of channels.
#pragma once

#include <cassert>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace wring::train {

using Shape = std::vector<size_t>;  // outermost first; every size > 0
size_t Elements(const Shape& shape);

// A handle: copies share the values and the gradient; a const handle gives access to both.
class Tensor {
 public:
  Tensor() = default;  // none, as for an absent bias
  explicit Tensor(Shape shape, float fill = 0);
  Tensor(Shape shape, std::vector<float> values);

  explicit operator bool() const { return node_ != nullptr; }
  const Shape& shape() const { return node_->shape; }
  size_t size() const { return node_->values.size(); }
  size_t dim(size_t i) const {
    assert(i < shape().size());
    return shape()[i];
  }
  size_t channels() const { return shape().back(); }
  size_t rows() const { return size() / channels(); }

  float* data() const { return node_->values.data(); }
  std::span<float> values() const { return node_->values; }
  float item() const {
    assert(size() == 1);
    return node_->values[0];
  }

  // A parameter, or the output of an op that has one somewhere before it.
  bool requires_grad() const { return node_ && node_->requires_grad; }
  const Tensor& RequireGrad(bool required = true) const {
    node_->requires_grad = required;
    return *this;
  }
  bool has_grad() const { return !node_->grad.empty(); }
  float* grad() const;  // as many as values; zero before the first step that adds to them
  void ClearGrad() const { node_->grad = {}; }

 private:
  struct Node {
    Shape shape;
    std::vector<float> values, grad;
    bool requires_grad = false;
  };
  std::shared_ptr<Node> node_;
};

enum class Mode {
  kForward,  // records nothing; dropout is the identity
  kRecord,
};

// Ops take the tape first: it also carries the threads that they run on. It outlives no pool, and
// one thread uses it at a time.
class Tape {
 public:
  explicit Tape(ThreadPool* pool, Mode mode = Mode::kRecord) : pool_(pool), mode_(mode) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  ThreadPool& pool() const { return *pool_; }
  bool recording() const { return mode_ == Mode::kRecord; }

  // Adds d loss / d x to the gradient of every x that requires one and led to `loss`, a single
  // value; the tape is empty afterwards. Parameters' gradients add up over calls until cleared.
  void Backward(const Tensor& loss);
  void Clear() { steps_.clear(); }
  size_t steps() const { return steps_.size(); }

  // For ops: whether the backward step of an op with these inputs will be wanted.
  bool Wants(std::initializer_list<Tensor> inputs) const;
  // `backward` reads the gradient of `out` and adds to the inputs' that require one.
  void Record(const Tensor& out, std::function<void()> backward);

 private:
  struct Step {
    Tensor out;
    std::function<void()> backward;
  };
  ThreadPool* pool_;
  Mode mode_;
  std::vector<Step> steps_;
};

}  // namespace wring::train
