// Who runs next. By priority (lower first), then the account that has been served least, then age.
//
// Fairness is the virtual token counter of Sheng et al. (OSDI 2024): each account has a counter of the cost that was
// computed for it; among those that wait the smallest counter goes first; an account that comes back after having had
// nothing to do is lifted to the smallest counter of those that had, so that nobody saves up by staying away.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

namespace wring {

template <typename T>
class WaitQueue {
 public:
  // Appends behind the account's others of this priority; `front` puts it before them (it was preempted).
  void Push(const std::string& account, int32_t priority, T item, bool front = false) {
    Lift(account);
    auto& line = lines_[priority][account];
    if (front) {
      line.push_front(std::move(item));
    } else {
      line.push_back(std::move(item));
    }
    ++size_;
  }

  // The next one, or nullptr. Valid until the queue changes.
  T* Peek() {
    std::deque<T>* line = Next();
    return line == nullptr ? nullptr : &line->front();
  }
  T Pop() {
    std::deque<T>* line = Next();
    T item = std::move(line->front());
    line->pop_front();
    --size_;
    Tidy();
    return item;
  }

  // Removes those for which `gone` is true; it takes them.
  void RemoveIf(const std::function<bool(T&)>& gone) {
    for (auto& [priority, accounts] : lines_) {
      for (auto& [account, line] : accounts) size_ -= std::erase_if(line, gone);
    }
    Tidy();
  }

  // An account's requests that run, so that it counts as active while none of its own waits.
  void Enter(const std::string& account) { ++running_[account]; }
  void Leave(const std::string& account) {
    if (--running_[account] == 0) running_.erase(account);
  }
  void Charge(const std::string& account, double cost) { served_[account] += cost; }
  double served(const std::string& account) const {
    const auto at = served_.find(account);
    return at == served_.end() ? 0 : at->second;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  bool Active(const std::string& account) const {
    if (running_.contains(account)) return true;
    for (const auto& [priority, accounts] : lines_) {
      if (accounts.contains(account)) return true;
    }
    return false;
  }
  void Lift(const std::string& account) {
    if (Active(account)) return;
    double floor = -1;
    for (auto it = served_.begin(); it != served_.end();) {
      if (Active(it->first)) {
        floor = floor < 0 ? it->second : std::min(floor, it->second);
        ++it;
      } else if (it->first != account && floor >= 0 && it->second <= floor) {
        it = served_.erase(it);  // it would be lifted anyway: accounts must not pile up
      } else {
        ++it;
      }
    }
    double& own = served_[account];
    if (floor > own) own = floor;
  }
  std::deque<T>* Next() {
    if (lines_.empty()) return nullptr;
    std::deque<T>* best = nullptr;
    double least = 0;
    for (auto& [account, line] : lines_.begin()->second) {
      const double s = served(account);
      if (best == nullptr || s < least) {
        best = &line;
        least = s;
      }
    }
    return best;
  }
  // Empty lines go, so that begin() is the most urgent priority that waits.
  void Tidy() {
    for (auto p = lines_.begin(); p != lines_.end();) {
      std::erase_if(p->second, [](const auto& a) { return a.second.empty(); });
      p = p->second.empty() ? lines_.erase(p) : std::next(p);
    }
  }

  std::map<int32_t, std::map<std::string, std::deque<T>>> lines_;
  std::map<std::string, double> served_;
  std::map<std::string, uint32_t> running_;
  size_t size_ = 0;
};

}  // namespace wring
