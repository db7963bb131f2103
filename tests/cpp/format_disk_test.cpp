// Files on disk: what may be opened, and saving that leaves the old file or the whole new one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "format_fixtures.h"

namespace icepoint::testing {
namespace {

namespace fs = std::filesystem;

class FormatDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "icepoint-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Bytes content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
  }
  static std::string load_verdict(const fs::path& path) {
    try {
      load_model(path.string());
      return "accepted";
    } catch (const ModelFileError& error) {
      return error.what();
    } catch (const std::system_error& error) {
      return std::string("system: ") + error.code().message();
    }
  }
  static std::errc save_error(const fs::path& path, const Bytes& bytes) {
    try {
      save_atomically(path.string(), bytes);
      return {};
    } catch (const std::system_error& error) {
      return static_cast<std::errc>(error.code().value());
    }
  }

  fs::path folder_;
};

TEST_F(FormatDisk, SavedFilesLoad) {
  const Bytes bytes = write_model(small_model());
  const fs::path path = folder_ / "m.ice";
  save_atomically(path.string(), bytes);
  EXPECT_EQ(content(path), bytes);
  EXPECT_EQ(load_model(path.string()).digest, peek_digest(bytes));
  save_atomically(path.string(), bytes);  // over itself
  EXPECT_EQ(content(path), bytes);
  EXPECT_EQ(entries(), 1u) << "a temporary file was left";
}

TEST_F(FormatDisk, OnlyRegularFilesAreOpened) {
  EXPECT_EQ(load_verdict(folder_ / "none"), "system: No such file or directory");
  EXPECT_NE(load_verdict(folder_).find("is not a regular file"), std::string::npos);
  const fs::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(load_verdict(fifo).find("is not a regular file"), std::string::npos);  // and does not wait
  EXPECT_NE(load_verdict("/dev/zero").find("is not a regular file"), std::string::npos);
  fs::create_symlink("b", folder_ / "a");
  fs::create_symlink("a", folder_ / "b");
  EXPECT_EQ(load_verdict(folder_ / "a"), "system: Too many levels of symbolic links");
  EXPECT_EQ(load_verdict(std::string("a\0b", 3)), "system: Invalid argument");
  std::ofstream(folder_ / "empty").close();
  EXPECT_NE(load_verdict(folder_ / "empty").find("too short"), std::string::npos);
}

TEST_F(FormatDisk, AHugeSparseFileIsRefusedByItsOpening) {
  const fs::path path = folder_ / "sparse";
  std::ofstream(path).close();
  std::error_code error;
  fs::resize_file(path, uintmax_t{1} << 40, error);
  if (error) GTEST_SKIP() << "this file system has no sparse file of 1 TiB: " << error.message();
  EXPECT_NE(load_verdict(path).find("does not open like a frozen model"), std::string::npos);
}

TEST_F(FormatDisk, FailuresKeepTheOldFile) {
  const fs::path path = folder_ / "m.ice";
  const Bytes old{1, 2, 3};
  save_atomically(path.string(), old);
  // A limit on file sizes stands for a full disk: the write fails in the middle.
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small { 4096, limit.rlim_max };
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::errc error = save_error(path, Bytes(100'000));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(error, std::errc::file_too_large);
  EXPECT_EQ(content(path), old);
  EXPECT_EQ(entries(), 1u) << "a temporary file was left";
}

TEST_F(FormatDisk, TargetsThatCannotBeReplaced) {
  EXPECT_EQ(save_error(folder_ / "none" / "m.ice", {1}), std::errc::no_such_file_or_directory);
  EXPECT_EQ(save_error(folder_, {1}), std::errc::is_a_directory);
  const fs::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(save_error(fifo, {1}), std::errc::invalid_argument);
  EXPECT_TRUE(fs::is_fifo(fifo));
  EXPECT_EQ(save_error("", {1}), std::errc::invalid_argument);
  EXPECT_EQ(save_error(std::string("a\0b", 3), {1}), std::errc::invalid_argument);
  // Root writes into a folder without write permission; /proc stops everybody.
  const fs::path closed = folder_ / "closed";
  fs::create_directory(closed, folder_);
  fs::permissions(closed, fs::perms::owner_read | fs::perms::owner_exec);
  const fs::path unwritable = ::geteuid() == 0 ? fs::path("/proc/self/m.ice") : closed / "m.ice";
  EXPECT_NE(save_error(unwritable, {1}), std::errc{});
  fs::permissions(closed, fs::perms::owner_all);
}

TEST_F(FormatDisk, ModesAndLinksStay) {
  const fs::path path = folder_ / "m.ice", link = folder_ / "link.ice";
  const mode_t umask = ::umask(0027);
  save_atomically(path.string(), Bytes{1});
  ::umask(umask);
  EXPECT_EQ(fs::status(path).permissions(), static_cast<fs::perms>(0640));
  fs::permissions(path, static_cast<fs::perms>(0604));
  fs::create_symlink("m.ice", link);
  save_atomically(link.string(), Bytes{2});
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(content(path), Bytes{2});
  EXPECT_EQ(fs::status(path).permissions(), static_cast<fs::perms>(0604));
}

TEST_F(FormatDisk, RelativePathsWithoutAFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  save_atomically("m.ice", Bytes{7});
  fs::current_path(before);
  EXPECT_EQ(content(folder_ / "m.ice"), Bytes{7});
}

TEST_F(FormatDisk, KilledWhileSaving) {
  const fs::path path = folder_ / "m.ice";
  const Bytes one(300'000, 1), two(300'000, 2);
  save_atomically(path.string(), one);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) {
        save_atomically(path.string(), two);
        save_atomically(path.string(), one);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + 731 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Bytes found = content(path);
    ASSERT_TRUE(found == one || found == two) << "round " << round << ": " << found.size() << " bytes";
  }
}

}  // namespace
}  // namespace icepoint::testing
