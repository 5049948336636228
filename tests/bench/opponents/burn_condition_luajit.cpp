#include <fmt/format.h>

#include <cstdlib>
#include <lua.hpp>

#include "tests/bench/opponents/burn_condition_scripted.hpp"

namespace signalbox::bench {
namespace {

class InLuaJit : public ScriptedBurn {
 public:
  InLuaJit(const char* script, const char* way, const std::vector<BurnDoubles>& rows, std::size_t count)
      : lua_(luaL_newstate()) {
    luaL_openlibs(lua_);
    for (const BurnDoubles& row : rows) {
      require(luaL_loadfile(lua_, script));
      require(lua_pcall(lua_, 0, 1, 0));
      lua_pushstring(lua_, way);
      for (const double* column : {row.bad_long, row.total_long, row.bad_short, row.total_short})
        lua_pushlightuserdata(lua_, const_cast<double*>(column));
      lua_pushnumber(lua_, row.theta);
      lua_pushlightuserdata(lua_, row.out_byte);
      lua_pushinteger(lua_, static_cast<lua_Integer>(count));
      require(lua_pcall(lua_, 8, 1, 0));
      rows_.push_back(luaL_ref(lua_, LUA_REGISTRYINDEX));
    }
  }
  InLuaJit(const InLuaJit&) = delete;
  InLuaJit& operator=(const InLuaJit&) = delete;
  ~InLuaJit() override { lua_close(lua_); }

  void tick() override {
    for (const int row : rows_) {
      lua_rawgeti(lua_, LUA_REGISTRYINDEX, row);
      require(lua_pcall(lua_, 0, 0, 0));
    }
  }

 private:
  void require(int status) {
    if (status == 0) return;
    fmt::print(stderr, "LuaJIT: {}\n", lua_tostring(lua_, -1));
    std::exit(1);
  }
  lua_State* lua_;
  std::vector<int> rows_;
};

}  // namespace

std::unique_ptr<ScriptedBurn> burn_in_luajit(const char* script, const char* way,
                                             const std::vector<BurnDoubles>& rows, std::size_t count) {
  return std::make_unique<InLuaJit>(script, way, rows, count);
}

}  // namespace signalbox::bench
