#include "runtime/jit/engine.hpp"

#include <fmt/format.h>
#include <llvm/AsmParser/Parser.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/SubtargetFeature.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/jit/codegen.hpp"
#include "runtime/jit/fatal.hpp"
#include "runtime/jit/memory.hpp"
#include "runtime/jit/support.hpp"

namespace signalbox::jit {
namespace {

namespace orc = llvm::orc;

// What of O2 matters to one loop over columns: the kernels are as fast as after all of it, for half the time.
// None of these passes may change a result: without fast-math flags they reorder no arithmetic.
constexpr const char* kernel_passes =
    "function(early-cse,instcombine<no-verify-fixpoint>,loop-mssa(licm),loop-vectorize,simplifycfg)";

// For shapes that are too large for those; without the callbacks of LLVM's drivers, passes do not heed
// `optnone`.
constexpr const char* plain_passes = "function(early-cse)";

constexpr const char* interpreter_hint = "the interpreter gives the same results";

template <class T>
orc::ExecutorSymbolDef at(T* function) {
  return {orc::ExecutorAddr::fromPtr(function), llvm::JITSymbolFlags::Exported};
}

// Everything that machine code can reach.
orc::SymbolMap reachable(orc::LLJIT& jit) {
  return {{jit.mangleAndIntern("memcpy"), at<void*(void*, const void*, std::size_t)>(std::memcpy)},
          {jit.mangleAndIntern("memset"), at<void*(void*, int, std::size_t)>(std::memset)},
          {jit.mangleAndIntern(mod_symbol), at(math_mod)},
          {jit.mangleAndIntern(pow_symbol), at(math_pow)},
          {jit.mangleAndIntern("signalbox_atan2"), at(math_atan2)},
          {jit.mangleAndIntern("signalbox_round"), at(math_round)},
#define FN(name, text, arity, condition) {jit.mangleAndIntern("signalbox_" text), at(math_##name)},
          SIGNALBOX_MATH_FUNCTIONS(FN)
#undef FN
              {jit.mangleAndIntern(place_symbol), at(place)}};
}

// Without a handler of ours LLVM prints a context's errors and leaves the process.
void on_diagnostic(const llvm::DiagnosticInfo* info, void* text) {
  if (info->getSeverity() != llvm::DS_Error) return;
  llvm::raw_string_ostream stream(*static_cast<std::string*>(text));
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
}

// The registry is a list without a lock: two threads that enter this machine at once tie it into a ring, and
// whoever looks it up goes round for ever.
void register_host() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

}  // namespace

struct Engine::Parts {
  std::shared_ptr<CodeMemory> memory = std::make_shared<CodeMemory>();
  std::string reported;  // errors that LLVM tells beside those that it returns
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<orc::LLJIT> jit;

  using Build = llvm::function_ref<llvm::Expected<std::unique_ptr<llvm::Module>>(llvm::LLVMContext&)>;

  llvm::Error open();
  Processor processor() const;
  llvm::Expected<void*> link(const char* name, Build build);
  // As `link`, surviving LLVM; `gave_up` keeps its last words, with which nothing is tried any more.
  Result<void*> make(const char* name, std::string& gave_up, Build build);
  llvm::Error optimise(llvm::Module& module);
  Error explain(llvm::Error failed, const char* what);
};

llvm::Error Engine::Parts::open() {
  auto target = orc::JITTargetMachineBuilder::detectHost();
  if (!target) return target.takeError();
  // No contraction: a kernel rounds where the interpreter does.
  target->getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
  target->setRelocationModel(llvm::Reloc::PIC_);
  target->setCodeModel(llvm::CodeModel::Small);
  target->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  auto made = target->createTargetMachine();
  if (!made) return made.takeError();
  machine = std::move(*made);

  auto control =
      orc::SelfExecutorProcessControl::Create(nullptr, std::make_unique<orc::InPlaceTaskDispatcher>());
  if (!control) return control.takeError();
  auto created = orc::LLJITBuilder()
                     .setExecutorProcessControl(std::move(*control))
                     .setJITTargetMachineBuilder(std::move(*target))
                     .setSupportConcurrentCompilation(false)
                     .setLinkProcessSymbolsByDefault(false)
                     .setProcessSymbolsJITDylibSetup([](orc::LLJIT& j) -> llvm::Expected<orc::JITDylibSP> {
                       return &j.getExecutionSession().createBareJITDylib("no process symbols");
                     })
                     .setPlatformSetUp(orc::setUpInactivePlatform)
                     .setObjectLinkingLayerCreator([this](orc::ExecutionSession& session, const llvm::Triple&)
                                                       -> llvm::Expected<std::unique_ptr<orc::ObjectLayer>> {
                       return std::make_unique<orc::ObjectLinkingLayer>(session, make_memory_manager(memory));
                     })
                     .create();
  if (!created) return created.takeError();
  jit = std::move(*created);
  jit->getExecutionSession().setErrorReporter([this](llvm::Error error) {
    if (!reported.empty()) reported += "; ";
    reported += llvm::toString(std::move(error));
  });
  return jit->getMainJITDylib().define(orc::absoluteSymbols(reachable(*jit)));
}

Processor Engine::Parts::processor() const {
  if (machine->getTargetTriple().isAArch64()) return {true, 0};
  const std::vector<std::string> features =
      llvm::SubtargetFeatures(machine->getTargetFeatureString()).getFeatures();
  const auto has = [&](const char* feature) {
    return std::find(features.begin(), features.end(), feature) != features.end();
  };
  return {has("+fma"), has("+avx512bw") && has("+avx512vl") ? 16u : has("+avx2") ? 8u : 0u};
}

llvm::Error Engine::Parts::optimise(llvm::Module& module) {
  llvm::PassBuilder builder(machine.get());
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  const bool plain = llvm::any_of(module, [](const llvm::Function& f) { return f.hasOptNone(); });
  llvm::ModulePassManager passes;
  if (llvm::Error failed = builder.parsePassPipeline(passes, plain ? plain_passes : kernel_passes))
    return failed;
  passes.run(module, modules);
  return llvm::Error::success();
}

llvm::Expected<void*> Engine::Parts::link(const char* name, Build build) {
  auto context = std::make_unique<llvm::LLVMContext>();
  std::string complaint;
  context->setDiagnosticHandlerCallBack(on_diagnostic, &complaint);
  auto module = build(*context);
  if (!module) return module.takeError();
  (*module)->setDataLayout(jit->getDataLayout());
  (*module)->setTargetTriple(jit->getTargetTriple().str());
  llvm::raw_string_ostream stream(complaint);
  if (llvm::verifyModule(**module, &stream)) return llvm::createStringError(complaint);
  if (llvm::Error failed = optimise(**module)) return failed;
  // A tracker of its own, so that what failed can be taken out again.
  orc::ResourceTrackerSP tracker = jit->getMainJITDylib().createResourceTracker();
  if (llvm::Error failed =
          jit->addIRModule(tracker, orc::ThreadSafeModule(std::move(*module), std::move(context))))
    return failed;
  // Look-up generates the code, on this thread.
  auto found = jit->lookup(name);
  if (found && complaint.empty()) return found->toPtr<void*>();
  llvm::Error failed = found ? llvm::createStringError(complaint) : found.takeError();
  return llvm::joinErrors(std::move(failed), tracker->remove());
}

Error Engine::Parts::explain(llvm::Error failed, const char* what) {
  std::string text = llvm::toString(std::move(failed));
  if (!reported.empty()) text += "; " + std::exchange(reported, {});
  text.resize(std::min<std::size_t>(text.size(), 1000));  // the verifier repeats itself
  switch (std::exchange(memory->refusal, CodeMemory::Refusal::none)) {
    case CodeMemory::Refusal::limit:
      return {ErrorCode::limit_exceeded,
              fmt::format("no room for {}: {} of jit_code_bytes = {} are taken", what, memory->mapped,
                          memory->limit),
              interpreter_hint};
    case CodeMemory::Refusal::system:
      return {ErrorCode::refused, fmt::format("{} cannot be made executable: {}", what, text),
              interpreter_hint};
    case CodeMemory::Refusal::none:
      break;
  }
  return {ErrorCode::internal, fmt::format("{} was not compiled: {}", what, text), interpreter_hint};
}

Engine::Engine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)), shape_ops_(0) {}

Engine::~Engine() {
  if (gave_up_.empty() && survive(gave_up_, [&] { parts_->jit.reset(); })) return;
  (void)parts_.release();  // locks may be held in there: memory is the smaller loss
}

Result<std::unique_ptr<Engine>> Engine::create(const Limits& limits) {
  own_fatal_errors();
  register_host();
  auto engine = std::unique_ptr<Engine>(new Engine(std::make_unique<Parts>()));
  engine->shape_ops_ = limits.jit_shape_ops;
  engine->parts_->memory->limit = limits.jit_code_bytes;
  std::optional<Error> error;
  const bool alive = survive(engine->gave_up_, [&] {
    if (llvm::Error failed = engine->parts_->open())
      error = engine->parts_->explain(std::move(failed), "the code generator");
  });
  if (!alive)
    return Error{ErrorCode::internal, "the code generator gave up: " + engine->gave_up_, interpreter_hint};
  if (error) return *error;
  return engine;
}

Result<void*> Engine::Parts::make(const char* name, std::string& gave_up, Build build) {
  if (gave_up.empty()) {
    std::optional<Result<void*>> made;
    const bool alive = survive(gave_up, [&] {
      llvm::Expected<void*> linked = link(name, build);
      if (linked) {
        made.emplace(*linked);
      } else {
        made.emplace(explain(linked.takeError(), name));
      }
    });
    if (alive) return *std::move(made);
  }
  return Error{ErrorCode::internal, "the code generator gave up: " + gave_up, interpreter_hint};
}

std::size_t Engine::code_bytes() const {
  return parts_->memory->mapped;
}

Result<eval::KernelFn> Engine::compile(const plan::Shape& shape) {
  if (!plan::well_formed(shape)) return Error{ErrorCode::invalid_argument, "the shape is not well formed"};
  if (shape.code.size() > shape_ops_) {
    return Error{ErrorCode::limit_exceeded,
                 fmt::format("a shape of {} operations: jit_shape_ops is {}", shape.code.size(), shape_ops_),
                 interpreter_hint};
  }
  const std::string name = fmt::format("kernel_{}", kernels_++);
  Result<void*> made = parts_->make(name.c_str(), gave_up_, [&](llvm::LLVMContext& context) {
    auto module = std::make_unique<llvm::Module>(name, context);
    emit_kernel(*module, shape, name.c_str(), parts_->processor());
    return llvm::Expected<std::unique_ptr<llvm::Module>>(std::move(module));
  });
  if (!made) return made.error();
  return reinterpret_cast<eval::KernelFn>(*made);
}

Result<void*> Engine::link_text(const std::string& ir, const char* name) {
  return parts_->make(name, gave_up_, [&](llvm::LLVMContext& context) {
    llvm::SMDiagnostic wrong;
    std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(ir, wrong, context);
    if (module == nullptr)
      return llvm::Expected<std::unique_ptr<llvm::Module>>(llvm::createStringError(wrong.getMessage()));
    return llvm::Expected<std::unique_ptr<llvm::Module>>(std::move(module));
  });
}

}  // namespace signalbox::jit
