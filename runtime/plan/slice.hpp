// A program of one SLO out of a larger one.
#pragma once

#include <utility>
#include <vector>

#include "runtime/plan/plan.hpp"

namespace signalbox::plan {

// Whether SLOs are decided each by itself: nothing acts, nothing is anchored on a deploy, nothing is
// deferred.
bool is_slo_by_slo(const Plan& plan);

// Takes slices of `plan`, which must outlive it. A slice takes as long as what it has, not as the plan is
// large. Not for two threads at once.
class Slicer {
 public:
  explicit Slicer(const Plan& plan);

  // The SLO with what it reads, and the program's sources and receivers. Its decisions, events and budgets
  // are those of the SLO in the program, which is_slo_by_slo(); its digest is another.
  Plan slice(Index slo);

 private:
  // The numbers that things of one kind have in the slice; none for those that are not in it.
  class Numbers {
   public:
    explicit Numbers(std::size_t things) : of_(things, none) {}
    Index of(Index old) const { return of_[old]; }
    void set(Index old, Index number) {
      of_[old] = number;
      set_.push_back(old);
    }
    void clear();

   private:
    std::vector<Index> of_, set_;
  };
  // Copies a thing when it comes first; its number in the slice.
  template <class T>
  static Index move(const std::vector<T>& from, std::vector<T>& to, Numbers& numbers, Index old);

  const Plan& plan_;
  // Readings by their SLOs.
  std::vector<std::pair<Index, Index>> readings_;
  Numbers origins_, leaves_, shapes_, nodes_;
};

}  // namespace signalbox::plan
