//! Work that a hostile input can make endless or huge (a template, a grammar) runs on a thread of its own with
//! a large stack, a budget of memory and a deadline.
//!
//! The libraries have no hook between two allocations (`x ~ x` in a template doubles a text in one step), and
//! Rust ends the process when an allocation fails. So the allocator itself keeps the account of a confined
//! thread: past its budget or its deadline the thread stops for good at its next allocation, and whoever waits
//! for it gets an error. What it holds by then is lost, at most the budget: a template or tokenizer that was stopped
//! once is not used again, and past Ledger::most() in all nothing more of its kind is begun.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Nested values are dropped and printed by recursion; untouched pages of a stack cost nothing.
const STACK: usize = 256 << 20;

/// What stopped work of one kind holds for good. Requests may carry grammars, so whoever sends them could take the
/// machine's memory a budget at a time. A process that refuses them is better than one that the system ends; and
/// grammars, which clients send, have a ledger of their own, so that conversations go on when theirs is full.
pub struct Ledger {
    lost: AtomicIsize,
    refusal: &'static str,
}

impl Ledger {
    const MOST: usize = 2 << 30;
    /// Where budgets are smaller, so is this: four of the largest, grammars'.
    pub fn most() -> usize {
        Self::MOST.min(MOST.load(Ordering::Relaxed).saturating_mul(4))
    }
    pub fn lost(&self) -> isize {
        self.lost.load(Ordering::Relaxed)
    }
    pub fn full(&self) -> bool {
        usize::try_from(self.lost()).unwrap_or(0) > Self::most()
    }
}

pub static GRAMMARS: Ledger = Ledger {
    lost: AtomicIsize::new(0),
    refusal: "grammars had to be stopped too often and hold memory: start the program again",
};
/// Templates and tokenizers.
pub static MODELS: Ledger = Ledger {
    lost: AtomicIsize::new(0),
    refusal: "templates or tokenizers had to be stopped too often: start the program again",
};

/// A bound on every budget, from wring_bridge_limit_memory.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

const RUNNING: u8 = 0;
const OVER_BUDGET: u8 = 1;
const LATE: u8 = 2;

struct Account {
    waiter: Thread,
    ledger: &'static Ledger,
    budget: isize,
    state: AtomicU8,
    done: AtomicBool,
}

thread_local! {
    // Without destructors, so that the allocator may read them at any time.
    static ACCOUNT: Cell<*const Account> = const { Cell::new(std::ptr::null()) };
    static USED: Cell<isize> = const { Cell::new(0) };
}

struct Accounting;

#[global_allocator]
static ALLOCATOR: Accounting = Accounting;

#[inline]
fn charge(bytes: isize) {
    let account = ACCOUNT.get();
    if account.is_null() {
        return;
    }
    let used = USED.get() + bytes;
    USED.set(used);
    // Safety: `run` keeps the account alive for as long as its thread may point to it.
    let account = unsafe { &*account };
    if bytes > 0 && (used > account.budget || account.state.load(Ordering::Relaxed) != RUNNING) {
        stop(account);
    }
}

#[cold]
fn stop(account: &Account) -> ! {
    let _ =
        account
            .state
            .compare_exchange(RUNNING, OVER_BUDGET, Ordering::AcqRel, Ordering::Acquire);
    account
        .ledger
        .lost
        .fetch_add(USED.get().max(0), Ordering::Relaxed);
    account.waiter.unpark();
    loop {
        // Safety: pause only waits.
        unsafe { libc::pause() };
    }
}

// Safety: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Accounting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size() as isize);
        System.alloc(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size() as isize);
        System.alloc_zeroed(layout)
    }
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        charge(size as isize - layout.size() as isize);
        System.realloc(old, layout, size)
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        charge(-(layout.size() as isize));
        System.dealloc(old, layout)
    }
}

/// As in wring_bridge.h.
#[repr(C)]
pub struct WringLost {
    grammars: u64,
    models: u64,
    most: u64,
}

#[no_mangle]
pub extern "C" fn wring_bridge_lost() -> WringLost {
    let bytes = |n: isize| u64::try_from(n).unwrap_or(0);
    WringLost {
        grammars: bytes(GRAMMARS.lost()),
        models: bytes(MODELS.lost()),
        most: Ledger::most() as u64,
    }
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_bridge_limit_memory(bytes: usize) {
    MOST.store(bytes, Ordering::Relaxed);
}

pub enum Stopped {
    /// What the work itself said.
    Failed(String),
    OverBudget,
    Late,
}

/// What the work on this thread holds now.
pub fn used() -> usize {
    usize::try_from(USED.get()).unwrap_or(0)
}

/// Runs `work` within `memory` bytes and `time`.
pub fn run<T: Send + 'static>(
    ledger: &'static Ledger,
    memory: usize,
    time: Duration,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Stopped> {
    if ledger.full() {
        return Err(Stopped::Failed(ledger.refusal.to_string()));
    }
    let memory = memory.min(MOST.load(Ordering::Relaxed));
    let deadline = Instant::now() + time;
    let account = Arc::new(Account {
        waiter: thread::current(),
        ledger,
        budget: isize::try_from(memory).unwrap_or(isize::MAX),
        state: AtomicU8::new(RUNNING),
        done: AtomicBool::new(false),
    });
    let slot = Arc::new(Mutex::new(None));
    let (own_account, own_slot) = (account.clone(), slot.clone());
    let handle = thread::Builder::new()
        .name("wring-confined".to_string())
        .stack_size(STACK)
        .spawn(move || {
            ACCOUNT.set(Arc::as_ptr(&own_account));
            let result = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|_| Err("the library failed".to_string()));
            ACCOUNT.set(std::ptr::null());
            *own_slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(result);
            own_account.done.store(true, Ordering::Release);
            own_account.waiter.unpark();
        })
        .map_err(|e| {
            Stopped::Failed(format!(
                "no thread can be started ({e}): free memory or raise the limit"
            ))
        })?;
    loop {
        if account.done.load(Ordering::Acquire) {
            let _ = handle.join();
            let result = slot.lock().unwrap_or_else(|e| e.into_inner()).take();
            return result
                .unwrap_or_else(|| Err("the work gave no result".to_string()))
                .map_err(Stopped::Failed);
        }
        if account.state.load(Ordering::Acquire) == OVER_BUDGET {
            return Err(Stopped::OverBudget);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ =
                account
                    .state
                    .compare_exchange(RUNNING, LATE, Ordering::AcqRel, Ordering::Acquire);
            return Err(Stopped::Late);
        }
        thread::park_timeout(left);
    }
}
