#include "runtime/net/posix_disk.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

using namespace signalbox;

namespace {

class PosixDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sb-disk-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string at(const std::string& name) const { return dir_ + "/" + name; }
  std::unique_ptr<DiskFile> make(const std::string& name) {
    auto file = disk_->open(at(name), Disk::Open::create);
    EXPECT_TRUE(file);
    return *std::move(file);
  }
  static std::span<const std::uint8_t> bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  static std::string text(DiskFile& file, std::uint64_t offset, std::size_t size) {
    std::string out(size, '?');
    auto n = file.read(offset, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
    EXPECT_TRUE(n);
    out.resize(n ? *n : 0);
    return out;
  }

  std::string dir_;
  std::unique_ptr<Disk> disk_ = net::make_posix_disk();
};

TEST_F(PosixDiskTest, ReadsBackWhatWasWrittenAndShortOnlyAtTheEnd) {
  auto file = make("a");
  ASSERT_TRUE(file->write(0, bytes("hello")));
  ASSERT_TRUE(file->write(10, bytes("world")));
  EXPECT_EQ(*file->size(), 15u);
  EXPECT_EQ(text(*file, 0, 15), std::string("hello\0\0\0\0\0world", 15));
  EXPECT_EQ(text(*file, 12, 100), "rld");
  EXPECT_EQ(text(*file, 100, 5), "");
  ASSERT_TRUE(file->truncate(3));
  EXPECT_EQ(text(*file, 0, 10), "hel");
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(disk_->sync_directory(dir_));
}

TEST_F(PosixDiskTest, CreateKeepsWhatExists) {
  ASSERT_TRUE(make("a")->write(0, bytes("kept")));
  EXPECT_EQ(text(*make("a"), 0, 10), "kept");
}

TEST_F(PosixDiskTest, ErrorsNameThePathAndTheReason) {
  auto missing = disk_->open(at("missing"), Disk::Open::existing);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_NE(missing.error().message.find(at("missing")), std::string::npos);
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);

  auto directory = disk_->open(dir_, Disk::Open::create);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::io);

  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  auto pipe = disk_->open(at("pipe"), Disk::Open::existing);
  ASSERT_FALSE(pipe);
  EXPECT_NE(pipe.error().message.find("not a regular file"), std::string::npos);

  auto offset = make("a")->write(~std::uint64_t{0} - 1, bytes("xyz"));
  ASSERT_FALSE(offset);
  EXPECT_EQ(offset.error().code, ErrorCode::io);
}

TEST_F(PosixDiskTest, NamesComeMoveAndGo) {
  EXPECT_FALSE(*disk_->exists(at("a")));
  make("a");
  EXPECT_TRUE(*disk_->exists(at("a")));
  EXPECT_FALSE(*disk_->exists(at("a/below")));
  ASSERT_TRUE(disk_->rename(at("a"), at("b")));
  EXPECT_FALSE(*disk_->exists(at("a")));
  EXPECT_EQ(disk_->rename(at("a"), at("b")).error().code, ErrorCode::not_found);
  EXPECT_TRUE(disk_->remove(at("b")));
  EXPECT_TRUE(disk_->remove(at("b")));
  EXPECT_TRUE(disk_->make_directory(at("d")));
  EXPECT_TRUE(disk_->make_directory(at("d")));
  make("f");
  EXPECT_FALSE(disk_->make_directory(at("f")));
  EXPECT_FALSE(disk_->remove(at("d")));
}

TEST_F(PosixDiskTest, FoldersOfOthersAreReadAndNotChanged) {
  const auto folders = net::make_posix_folders();
  make("b");
  make("a");
  ASSERT_TRUE(disk_->make_directory(at("c")));
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(at("a").c_str(), 0400), 0);
  const auto listed = folders->list(dir_);
  ASSERT_TRUE(listed);
  std::string names;
  for (const auto& entry : *listed) names += entry.name + (entry.folder ? "/ " : " ");
  EXPECT_EQ(names, "a b c/ pipe ");
  EXPECT_EQ(folders->list(at("none")).error().code, ErrorCode::not_found);
  EXPECT_EQ(folders->open(at("none")).error().code, ErrorCode::not_found);
  EXPECT_EQ(folders->open(at("c")).error().code, ErrorCode::io);
  EXPECT_EQ(folders->open(at("pipe")).error().code, ErrorCode::io);
  auto file = folders->open(at("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE(disk_->remove(at("a")));
  EXPECT_EQ(*(*file)->size(), 0u);
}

TEST_F(PosixDiskTest, FilesAreTheOwnersAlone) {
  make("a");
  struct stat st {};
  ASSERT_EQ(::stat(at("a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0077, 0u);
}

TEST_F(PosixDiskTest, LockExcludesTheSameProcessAndOthers) {
  auto first = net::lock_file(at("lock"));
  ASSERT_TRUE(first);
  auto second = net::lock_file(at("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);

  const auto child_says = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      auto lock = net::lock_file(at("lock"));
      ::_exit(lock ? 0 : lock.error().code == ErrorCode::conflict ? 1 : 2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(child_says(), 1);
  { auto let_go = *std::move(first); }
  EXPECT_EQ(child_says(), 0);
  EXPECT_TRUE(net::lock_file(at("lock")));
}

}  // namespace
