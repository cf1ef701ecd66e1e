//! Making sure that an engine has handled what it was sent.

use super::{
    awaited::Awaited,
    drive::Drive,
    judge::{Told, Wrong},
    step::{Answer, SESSIONS, Step},
};
use crate::session::Stop;

impl Drive<'_> {
    /// The sessions that are fenced after steps: those whose last step has not shown by its
    /// answer that it was handled, and all where something may have been sent to any of them.
    pub(super) fn to_be_fenced(&self, steps: &[Step]) -> Vec<usize> {
        let spreads = |step: &Step| {
            matches!(
                step,
                Step::Tell { .. }
                    | Step::AnswerHeld { .. }
                    | Step::Leave { .. }
                    | Step::UnregisterTrigger { .. }
            ) || matches!(step, Step::Call { answer, .. } if *answer != Answer::Result)
        };
        let mut fenced: Vec<usize> = Vec::new();
        let mut last: [bool; SESSIONS] = [true; SESSIONS];
        for awaited in &self.awaited {
            if let Some(answered) = last.get_mut(awaited.session) {
                // A refusal may be an earlier one's, for the same id.
                *answered = awaited.seen.told != Told::Nothing
                    && matches!(awaited.step, Step::RegisterTrigger(_) | Step::Call { .. });
            }
            if matches!(awaited.step, Step::RegisterType { .. }) {
                fenced.push(awaited.session);
            }
        }
        let unanswered = last.iter().enumerate().filter(|(_, answered)| !**answered);
        fenced.extend(unanswered.map(|(index, _)| index));
        if steps.iter().any(spreads) {
            // Behind those that have acted: what they sent has been handled then.
            fenced.extend(0..SESSIONS);
        }
        fenced
    }

    /// Fences sessions until nothing that is answered comes any more.
    pub(super) async fn settle(&mut self, sessions: &[usize]) -> Result<(), Wrong> {
        let mut unsettled = sessions.to_vec();
        while !unsettled.is_empty() {
            for index in std::mem::take(&mut unsettled) {
                self.fence(index).await?;
            }
            unsettled = self.serve().await?;
        }
        Ok(())
    }

    pub(super) async fn fence(&mut self, index: usize) -> Result<(), Wrong> {
        let (in_protocol, deadline) = (self.manner.features.has("ping"), self.deadline());
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let Err(stop) = session.fence(in_protocol, deadline).await else {
            return Ok(());
        };
        self.serve_last_words(index)?;
        let nonsense =
            |it: &Awaited| it.session == index && matches!(it.step, Step::Nonsense { .. });
        // What an engine does with nonsense is decided, and not documented.
        let may_close = !self.manner.strict && self.awaited.iter().any(nonsense);
        match stop {
            Stop::Ended(_) if may_close => self.leave(index, false).await,
            stop => Err(self.lost(index, stop)),
        }
    }

    /// What a session that has ended was still sent says more than its end.
    pub(super) fn serve_last_words(&mut self, index: usize) -> Result<(), Wrong> {
        let frames = match self.sessions.get_mut(index) {
            Some(session) => session.take_kept(),
            None => Vec::new(),
        };
        for frame in frames {
            self.received(index, &frame)?;
        }
        Ok(())
    }
}
