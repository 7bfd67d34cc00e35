//! Buffers that cross the border, and the guard that every entry runs under.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// An owned buffer; the receiver gives it back to `wring_bridge_free`.
#[repr(C)]
pub struct WringBytes {
    pub data: *mut u8,
    pub size: usize,
}

impl WringBytes {
    pub fn from_vec(vec: Vec<u8>) -> Self {
        let slice = vec.into_boxed_slice();
        let size = slice.len();
        Self {
            data: Box::into_raw(slice) as *mut u8,
            size,
        }
    }
}

/// # Safety
/// `bytes` came from this library and is given back once.
#[no_mangle]
pub unsafe extern "C" fn wring_bridge_free(bytes: WringBytes) {
    if !bytes.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
            bytes.data, bytes.size,
        )));
    }
}

/// A borrowed range of the caller's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WringView {
    pub data: *const u8,
    pub size: usize,
}

impl WringView {
    /// # Safety
    /// The range is valid for the call.
    pub unsafe fn slice<'a>(self) -> &'a [u8] {
        if self.size == 0 {
            return &[];
        }
        std::slice::from_raw_parts(self.data, self.size)
    }
    /// # Safety
    /// The range is valid for the call.
    pub unsafe fn text<'a>(self) -> Result<&'a str, String> {
        std::str::from_utf8(self.slice()).map_err(|e| format!("the text is not UTF-8: {e}"))
    }
}

/// A caught panic becomes an error; without this it would also be printed, and a library prints nothing.
fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Runs `work`; its error, or a panic, lands in `error` and gives `failed`.
///
/// # Safety
/// `error` is null or points to a WringBytes that may be overwritten.
pub unsafe fn guard<T>(
    failed: T,
    error: *mut WringBytes,
    work: impl FnOnce() -> Result<T, String>,
) -> T {
    be_quiet();
    let message = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return value,
        Ok(Err(message)) => message,
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
            .unwrap_or_else(|| "an internal fault".to_string()),
    };
    if !error.is_null() {
        *error = WringBytes::from_vec(message.into_bytes());
    }
    failed
}
