#include "train/tensor.h"

#include <algorithm>
#include <utility>

namespace wring::train {

size_t Elements(const Shape& shape) {
  size_t n = 1;
  for (size_t size : shape) n *= size;
  return n;
}

Tensor::Tensor(Shape shape, float fill) : node_(std::make_shared<Node>()) {
  assert(!shape.empty() && Elements(shape) > 0);
  node_->values.assign(Elements(shape), fill);
  node_->shape = std::move(shape);
}

Tensor::Tensor(Shape shape, std::vector<float> values) : node_(std::make_shared<Node>()) {
  assert(!values.empty() && Elements(shape) == values.size());
  node_->shape = std::move(shape);
  node_->values = std::move(values);
}

float* Tensor::grad() const {
  if (node_->grad.empty()) node_->grad.resize(size());
  return node_->grad.data();
}

bool Tape::Wants(std::initializer_list<Tensor> inputs) const {
  return recording() && std::any_of(inputs.begin(), inputs.end(),
                                    [](const Tensor& t) { return t.requires_grad(); });
}

void Tape::Record(const Tensor& out, std::function<void()> backward) {
  out.RequireGrad();
  steps_.push_back({out, std::move(backward)});
}

void Tape::Backward(const Tensor& loss) {
  assert(loss.size() == 1 && loss.requires_grad());
  loss.grad()[0] += 1.0F;
  while (!steps_.empty()) {
    // Taken off first, so that what the step alone kept alive is freed as the pass goes.
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    if (!step.out.has_grad()) continue;  // led nowhere
    step.backward();
    step.out.ClearGrad();
  }
}

}  // namespace wring::train
