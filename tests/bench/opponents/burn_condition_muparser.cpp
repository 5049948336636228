#include <fmt/format.h>
#include <muParser.h>
#include <omp.h>

#include <cstdlib>
#include <limits>

#include "tests/bench/opponents/burn_condition_scripted.hpp"

namespace signalbox::bench {
namespace {

// Branches not taken cost a jump. A missing count of bad events makes its comparison false, as zero would.
constexpr const char* condition =
    "bl / tl > theta ? (bs / ts > theta ? 1 : ts > 0 ? 0 : nan)"
    " : tl > 0 ? 0 : ts > 0 ? (bs / ts > theta ? nan : 0) : nan";

class InMuParser : public ScriptedBurn {
 public:
  InMuParser(bool bulk, std::vector<BurnDoubles> rows, std::size_t count)
      : bulk_(bulk), count_(count), rows_(std::move(rows)), parsers_(rows_.size()) {
    // In bulk it divides the cells among threads, which cost more CPU than they save here.
    omp_set_num_threads(1);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      mu::Parser& parser = parsers_[r];
      const BurnDoubles& row = rows_[r];
      const std::pair<const char*, const double*> columns[] = {
          {"bl", row.bad_long}, {"tl", row.total_long}, {"bs", row.bad_short}, {"ts", row.total_short}};
      // In bulk a variable is the first cell of a column.
      for (std::size_t c = 0; c < 4; ++c)
        parser.DefineVar(columns[c].first, bulk ? const_cast<double*>(columns[c].second) : &cells_[c]);
      parser.DefineConst("theta", row.theta);
      parser.DefineConst("nan", std::numeric_limits<double>::quiet_NaN());
      parser.SetExpr(condition);
    }
  }
  void tick() override {
    try {
      for (std::size_t r = 0; r < rows_.size(); ++r)
        if (bulk_) {
          parsers_[r].Eval(rows_[r].out, static_cast<int>(count_));
        } else {
          const BurnDoubles& row = rows_[r];
          for (std::size_t i = 0; i < count_; ++i) {
            cells_[0] = row.bad_long[i];
            cells_[1] = row.total_long[i];
            cells_[2] = row.bad_short[i];
            cells_[3] = row.total_short[i];
            row.out[i] = parsers_[r].Eval();
          }
        }
    } catch (const mu::Parser::exception_type& e) {
      fmt::print(stderr, "muParser: {}\n", e.GetMsg());
      std::exit(1);
    }
  }

 private:
  bool bulk_;
  std::size_t count_;
  std::vector<BurnDoubles> rows_;
  double cells_[4] = {};
  std::vector<mu::Parser> parsers_;
};

}  // namespace

std::unique_ptr<ScriptedBurn> burn_in_muparser(bool bulk, std::vector<BurnDoubles> rows, std::size_t count) {
  return std::make_unique<InMuParser>(bulk, std::move(rows), count);
}

}  // namespace signalbox::bench
