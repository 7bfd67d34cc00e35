//! C interface over the libraries that are Rust only: `tokenizers`, `minijinja`, `llguidance`.
//! Every entry catches panics; errors come back as owned text. See include/wring_bridge.h.

mod bounded;
mod bytes;
mod confined;
mod grammar;
mod pre_tokenizer;
mod template;
mod tokenizer;
mod vocabulary;
