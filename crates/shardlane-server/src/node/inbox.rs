//! The way between shards: a queue for each shard, and an event that wakes its poll.
//!
//! This is what a request on the wrong shard pays for: a message into another thread's queue, a
//! wake-up through the kernel if that thread sleeps, and the same way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Waker;

use super::control::Control;
use crate::coordinator::message::Message;

/// Wakes a shard's poll, once for all that was sent since the shard last looked.
#[derive(Debug)]
struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

/// Sends to one incarnation of one shard. After the shard has ended, what is sent is lost: exactly
/// what happens to a message to a dead node.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    messages: Sender<Message>,
    controls: Sender<Control>,
    bell: Arc<Bell>,
}

impl Link {
    /// Hands over work or an answer.
    pub(crate) fn send(&self, message: Message) {
        if self.messages.send(message).is_ok() {
            self.ring();
        }
    }

    /// Hands over an order, which even a paused shard obeys. False if the shard has ended.
    pub(crate) fn control(&self, control: Control) -> bool {
        let sent = self.controls.send(control).is_ok();
        if sent {
            self.ring();
        }
        sent
    }

    fn ring(&self) {
        self.bell.ring();
    }
}

impl Bell {
    fn ring(&self) {
        // A push happens before this swap. If it finds the bell rung, the shard has yet to clear
        // it, and looks into its queues only after that: it cannot miss the push.
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A poll that cannot be woken belongs to a shard that is ending.
            let _ = self.waker.wake();
        }
    }
}

/// A shard's end of its queues.
#[derive(Debug)]
pub(crate) struct Inbox {
    messages: Receiver<Message>,
    controls: Receiver<Control>,
    bell: Arc<Bell>,
}

impl Inbox {
    /// Must be called before looking into the queues after a wake-up.
    pub(crate) fn clear_bell(&self) {
        self.bell.rung.swap(false, Ordering::AcqRel);
    }

    /// Wakes oneself: for what one turn had to leave.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    pub(crate) fn next_message(&self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    pub(crate) fn next_control(&self) -> Option<Control> {
        self.controls.try_recv().ok()
    }
}

/// The two ends of a new shard's queues.
pub(crate) fn link(waker: Waker) -> (Link, Inbox) {
    let (message_sender, messages) = channel();
    let (control_sender, controls) = channel();
    let bell = Arc::new(Bell {
        waker,
        rung: AtomicBool::new(false),
    });
    let link = Link {
        messages: message_sender,
        controls: control_sender,
        bell: Arc::clone(&bell),
    };
    (
        link,
        Inbox {
            messages,
            controls,
            bell,
        },
    )
}
