// wring logits: the logits of one window of tokens, for quality measurements.
#include "base/atomic_file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session_options.h"

namespace wring::cli {

Status Logits(const Arguments& arguments) {
  for (const std::string_view flag : {"--tokens", "--out"}) {
    if (!arguments.Has(flag))
      return Error(Code::kInvalid, "logits needs {} FILE: see wring logits --help", flag);
  }
  WRING_ASSIGN(const auto ids, ReadIds(arguments.Text("--tokens")));
  WRING_TRY(CheckWritable(arguments.Text("--out")));
  WRING_ASSIGN(Loaded loaded, LoadModel(arguments, false));
  loaded.session.context = static_cast<uint32_t>(ids.size());
  WRING_ASSIGN(auto session, Session::Create(*loaded.model, loaded.session));

  CancelToken cancel;
  const Interrupt interrupt(&cancel);
  WRING_ASSIGN(auto out, AtomicFile::Create(arguments.Text("--out")));
  Bar bar;
  Status written;
  Status computed = session->AppendAll(
      ids,
      [&](size_t, std::span<const float> row) {
        if (written.ok()) written = out.Write(std::as_bytes(row));
        if (!written.ok()) cancel.Cancel();
      },
      &cancel, &bar);
  WRING_TRY(written);  // it cancelled the rest
  WRING_TRY(computed);
  return out.Commit();
}

}  // namespace wring::cli
