#include "runtime/journal/disk_vfs.hpp"

#include <fmt/format.h>

#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace signalbox::journal {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// SQLite allocates szOsFile bytes and treats them as a sqlite3_file; the rest is ours, made in xOpen, ended
// in xClose.
struct DiskVfs::File {
  sqlite3_file base;
  DiskVfs* vfs;
  std::unique_ptr<DiskFile> file;
  std::string path;
  bool is_new = false;  // its name does not last yet
};

struct DiskVfs::Calls {
  static_assert(std::is_standard_layout_v<sqlite3_file>);
  static File& of(sqlite3_file* f) { return *reinterpret_cast<File*>(f); }
  static DiskVfs& of(sqlite3_vfs* v) { return *static_cast<DiskVfs*>(v->pAppData); }

  template <class T>
  static int keep(DiskVfs& vfs, const Result<T>& result, int code) {
    if (result) return SQLITE_OK;
    vfs.error_ = result.error();
    return code;
  }

  static int open(sqlite3_vfs* v, const char* name, sqlite3_file* f, int flags, int* out_flags) {
    f->pMethods = nullptr;
    DiskVfs& vfs = of(v);
    // Nameless files are temporary ones, which temp_store=MEMORY keeps off the disk.
    if (!name || (flags & SQLITE_OPEN_DELETEONCLOSE)) return SQLITE_CANTOPEN;
    const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
    bool is_new = false;
    if (create) {
      const Result<bool> there = vfs.disk_.exists(name);
      if (!there) return keep(vfs, there, SQLITE_CANTOPEN);
      is_new = !*there;
    }
    auto file = vfs.disk_.open(name, create ? Disk::Open::create : Disk::Open::existing);
    if (!file) return keep(vfs, file, SQLITE_CANTOPEN);
    auto* self = new (static_cast<void*>(f)) File{{}, &vfs, *std::move(file), name, is_new};
    self->base.pMethods = &methods;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
  }

  static int remove(sqlite3_vfs* v, const char* name, int sync_directory) {
    DiskVfs& vfs = of(v);
    if (const Result<bool> there = vfs.disk_.exists(name); there && !*there) return SQLITE_IOERR_DELETE_NOENT;
    if (const int rc = keep(vfs, vfs.disk_.remove(name), SQLITE_IOERR_DELETE)) return rc;
    if (!sync_directory) return SQLITE_OK;
    return keep(vfs, vfs.disk_.sync_directory(directory_of(name)), SQLITE_IOERR_DIR_FSYNC);
  }

  static int access(sqlite3_vfs* v, const char* name, int, int* answer) {
    const Result<bool> there = of(v).disk_.exists(name);
    *answer = there && *there;
    return keep(of(v), there, SQLITE_IOERR_ACCESS);
  }

  static int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::size_t n = std::strlen(name);
    if (n >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, name, n + 1);
    return SQLITE_OK;
  }

  static void* dl_open(sqlite3_vfs*, const char*) { return nullptr; }
  static void dl_error(sqlite3_vfs*, int size, char* out) {
    if (size > 0) *out = '\0';
  }
  static void (*dl_sym(sqlite3_vfs*, void*, const char*))(void) { return nullptr; }
  static void dl_close(sqlite3_vfs*, void*) {}

  // SQLite draws its own randomness from the process' default VFS; what it asks of this one decides nothing.
  static int randomness(sqlite3_vfs*, int size, char* out) {
    std::memset(out, 0x5b, static_cast<std::size_t>(size));
    return size;
  }
  static int sleep(sqlite3_vfs*, int) { return 0; }
  static int current_time(sqlite3_vfs*, double* julian_day) {
    *julian_day = 2440587.5;  // 1970-01-01: no statement of ours asks
    return SQLITE_OK;
  }
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }

  static int close(sqlite3_file* f) {
    of(f).~File();
    return SQLITE_OK;
  }
  static int read(sqlite3_file* f, void* into, int size, sqlite3_int64 offset) {
    const std::span bytes(static_cast<std::uint8_t*>(into), static_cast<std::size_t>(size));
    const Result<std::size_t> n = of(f).file->read(static_cast<std::uint64_t>(offset), bytes);
    if (!n) return keep(*of(f).vfs, n, SQLITE_IOERR_READ);
    if (*n == bytes.size()) return SQLITE_OK;
    std::memset(bytes.data() + *n, 0, bytes.size() - *n);
    return SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* f, const void* from, int size, sqlite3_int64 offset) {
    const std::span bytes(static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(size));
    return keep(*of(f).vfs, of(f).file->write(static_cast<std::uint64_t>(offset), bytes), SQLITE_IOERR_WRITE);
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    return keep(*of(f).vfs, of(f).file->truncate(static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
  }
  // A journal that is synced but has no lasting name could not undo anything after a crash.
  static int sync(sqlite3_file* f, int) {
    File& self = of(f);
    if (const int rc = keep(*self.vfs, self.file->sync(), SQLITE_IOERR_FSYNC)) return rc;
    if (!self.is_new) return SQLITE_OK;
    const int rc =
        keep(*self.vfs, self.vfs->disk_.sync_directory(directory_of(self.path)), SQLITE_IOERR_DIR_FSYNC);
    if (rc == SQLITE_OK) self.is_new = false;
    return rc;
  }
  static int file_size(sqlite3_file* f, sqlite3_int64* size) {
    const Result<std::uint64_t> n = of(f).file->size();
    if (n) *size = static_cast<sqlite3_int64>(*n);
    return keep(*of(f).vfs, n, SQLITE_IOERR_FSTAT);
  }
  static int lock(sqlite3_file*, int) { return SQLITE_OK; }
  static int check_reserved(sqlite3_file*, int* answer) {
    *answer = 0;
    return SQLITE_OK;
  }
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  // A page of the kernel and of most disks. Nothing better is promised of them: a torn write may take one
  // with it.
  static int sector_size(sqlite3_file*) { return 4096; }
  static int characteristics(sqlite3_file*) { return 0; }

  static const sqlite3_io_methods methods;
};

constinit const sqlite3_io_methods DiskVfs::Calls::methods = [] {
  sqlite3_io_methods m{};
  m.iVersion = 1;
  m.xClose = &close;
  m.xRead = &read;
  m.xWrite = &write;
  m.xTruncate = &truncate;
  m.xSync = &sync;
  m.xFileSize = &file_size;
  m.xLock = &lock;
  m.xUnlock = &lock;
  m.xCheckReservedLock = &check_reserved;
  m.xFileControl = &control;
  m.xSectorSize = &sector_size;
  m.xDeviceCharacteristics = &characteristics;
  return m;
}();

DiskVfs::DiskVfs(Disk& disk)
    : disk_(disk), name_(fmt::format("signalbox-{}", static_cast<const void*>(this))) {
  vfs_.iVersion = 1;
  vfs_.szOsFile = static_cast<int>(sizeof(File));
  vfs_.mxPathname = 4096;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = &Calls::open;
  vfs_.xDelete = &Calls::remove;
  vfs_.xAccess = &Calls::access;
  vfs_.xFullPathname = &Calls::full_path;
  vfs_.xDlOpen = &Calls::dl_open;
  vfs_.xDlError = &Calls::dl_error;
  vfs_.xDlSym = &Calls::dl_sym;
  vfs_.xDlClose = &Calls::dl_close;
  vfs_.xRandomness = &Calls::randomness;
  vfs_.xSleep = &Calls::sleep;
  vfs_.xCurrentTime = &Calls::current_time;
  vfs_.xGetLastError = &Calls::last_error;
}

DiskVfs::~DiskVfs() {
  sqlite3_vfs_unregister(&vfs_);
}

Result<std::unique_ptr<DiskVfs>> DiskVfs::make(Disk& disk) {
  std::unique_ptr<DiskVfs> vfs(new DiskVfs(disk));
  if (sqlite3_vfs_register(&vfs->vfs_, 0) != SQLITE_OK)
    return Error{ErrorCode::internal, "SQLite does not start"};
  return vfs;
}

std::optional<Error> DiskVfs::take_error() {
  return std::exchange(error_, std::nullopt);
}

}  // namespace signalbox::journal
