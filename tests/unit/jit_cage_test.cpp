// What machine code can reach, and what happens when LLVM gives up.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "runtime/jit/engine.hpp"

namespace signalbox::jit {
namespace {

std::unique_ptr<Engine> open() {
  auto engine = Engine::create(Limits{});
  EXPECT_TRUE(engine) << engine.error().message;
  return *std::move(engine);
}

const plan::Shape one_column{.inputs = 1, .params = 0, .code = {{.op = plan::ShapeOp::input}}};

// Mappings with these permissions that belong to no file, in bytes.
std::size_t anonymous_bytes(const std::string& permissions) {
  std::ifstream maps("/proc/self/maps");
  std::size_t bytes = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long from = 0, to = 0, inode = 0;
    char perms[8] = "";
    if (std::sscanf(line.c_str(), "%llx-%llx %7s %*s %*s %llu", &from, &to, perms, &inode) != 4) continue;
    if (inode == 0 && line.find('[') == std::string::npos && permissions == perms) bytes += to - from;
  }
  return bytes;
}

// The first use in a process is by all threads at once; a process that goes round for ever is ended.
void open_by_many_and_exit() {
  ::alarm(60);
  std::atomic<int> waiting = 2;
  std::atomic<int> opened = 0;
  const auto work = [&] {
    --waiting;
    while (waiting > 0) {
    }
    const auto engine = Engine::create(Limits{});
    if (engine && (*engine)->compile(one_column)) ++opened;
  };
  std::thread other(work);
  work();
  other.join();
  std::_Exit(opened == 2 ? 0 : 1);
}

TEST(JitCageDeathTest, ManyThreadsMayBeTheFirst) {
  for (int process = 0; process < 60; ++process)
    EXPECT_EXIT(open_by_many_and_exit(), testing::ExitedWithCode(0), "");
}

TEST(JitCage, NothingOfTheProcessIsReachable) {
  const auto engine = open();
  int n = 0;
  for (const std::string foreign :
       {"system", "getenv", "malloc", "dlopen", "pow", "fmod", "printf", "environ"}) {
    const std::string name = "probe" + std::to_string(n++);
    const auto linked =
        engine->link_text("declare i32 @" + foreign + "(ptr)\ndefine i32 @" + name +
                              "(ptr %x) {\n %r = call i32 @" + foreign + "(ptr %x)\n ret i32 %r\n}\n",
                          name.c_str());
    ASSERT_FALSE(linked) << foreign;
    EXPECT_EQ(linked.error().code, ErrorCode::internal);
    EXPECT_NE(linked.error().message.find(foreign), std::string::npos) << linked.error().message;
  }
  EXPECT_TRUE(engine->compile(one_column));
}

TEST(JitCage, TheMathOfTheInterpreterIsReachable) {
  const auto engine = open();
  const auto linked = engine->link_text(
      "declare double @signalbox_pow(double, double)\n"
      "define double @cube(double %x) {\n"
      " %r = call double @signalbox_pow(double %x, double 3.0)\n ret double %r\n}\n",
      "cube");
  ASSERT_TRUE(linked) << linked.error().message;
  EXPECT_EQ(reinterpret_cast<double (*)(double)>(*linked)(1.1), std::pow(1.1, 3.0));
}

TEST(JitCage, BrokenCodeIsAnErrorAndTheNextKernelWorks) {
  const auto engine = open();
  for (const char* ir : {"define", "define i32 @f() {\n ret i64 1\n}\n",
                         // Without a handler LLVM would print this one and end the process.
                         "define i32 @f() {\n %r = call i32 asm \"\", \"={nowhere}\"()\n ret i32 %r\n}\n"}) {
    const auto linked = engine->link_text(ir, "f");
    ASSERT_FALSE(linked) << ir;
    EXPECT_EQ(linked.error().code, ErrorCode::internal);
    EXPECT_EQ(linked.error().message.find("gave up"), std::string::npos) << linked.error().message;
  }
  EXPECT_TRUE(engine->compile(one_column));
}

TEST(JitCage, AFatalErrorOfLlvmLeavesTheProcessAlive) {
  const auto engine = open();
  const auto kernel = engine->compile(one_column);
  ASSERT_TRUE(kernel);
  const auto linked = engine->link_text(
      "declare i32 @llvm.aarch64.crc32b(i32, i32)\n"
      "define i32 @f(i32 %x) {\n"
      " %r = call i32 @llvm.aarch64.crc32b(i32 %x, i32 %x)\n ret i32 %r\n}\n",
      "f");
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().code, ErrorCode::internal);
  EXPECT_NE(linked.error().message.find("gave up"), std::string::npos) << linked.error().message;

  const auto later = engine->compile(one_column);
  ASSERT_FALSE(later);
  EXPECT_NE(later.error().message.find("gave up"), std::string::npos) << later.error().message;
  const double value = 2.5;
  const std::uint8_t evidence = 0;
  const eval::ColumnView column{&value, &evidence, 1};
  double out = 0;
  std::uint8_t out_evidence = 9;
  const eval::ColumnOut into{&out, &out_evidence};
  (*kernel)(nullptr, &column, &into, 1);
  EXPECT_EQ(out, 2.5);
  EXPECT_EQ(out_evidence, 0);
  EXPECT_TRUE(open()->compile(one_column));
}

TEST(JitCage, MemoryIsNeverWritableCodeAndIsGivenBack) {
  const std::size_t before = anonymous_bytes("r-xp");
  {
    const auto engine = open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(engine->compile(one_column));
    EXPECT_GT(anonymous_bytes("r-xp"), before);
    EXPECT_LE(anonymous_bytes("r-xp") - before, engine->code_bytes());
    EXPECT_EQ(anonymous_bytes("rwxp"), 0u);
  }
  EXPECT_EQ(anonymous_bytes("r-xp"), before);
}

}  // namespace
}  // namespace signalbox::jit
