//! The kinds of steps, with the words of their identities.

/// What kind of step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// A position is resolved. Never a step; what is blocked has this identity.
    Resolve,
    /// The prune of a directory is determined. Never a step; what is blocked has
    /// this identity.
    Record,
    /// The directory of a storage is determined. Never a step; what is blocked has this
    /// identity.
    Storage,
    /// A schematic is made known.
    Register,
    /// A file is downloaded.
    Fetch,
    /// A file is unpacked.
    Unpack,
    /// A file is delivered.
    Push,
    /// A file goes from the cache.
    PruneCache,
    /// A partial download goes from the cache.
    ClearPartial,
    /// A file goes from a node.
    PruneNode,
    /// A part of a file goes from a node.
    ClearPart,
    /// A file on a node is read back.
    VerifyNode,
    /// A file in the cache is read back.
    VerifyCache,
    /// A template is made.
    CreateTemplate,
    /// A template takes the place of another.
    SwitchTemplate,
    /// A template goes.
    RemoveTemplate,
}

impl StepKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Resolve,
        Self::Record,
        Self::Storage,
        Self::Register,
        Self::Fetch,
        Self::Unpack,
        Self::Push,
        Self::PruneCache,
        Self::ClearPartial,
        Self::PruneNode,
        Self::ClearPart,
        Self::VerifyNode,
        Self::VerifyCache,
        Self::CreateTemplate,
        Self::SwitchTemplate,
        Self::RemoveTemplate,
    ];

    /// Its word in the identities of steps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Record => "record",
            Self::Storage => "storage",
            Self::Register => "register",
            Self::Fetch => "fetch",
            Self::Unpack => "unpack",
            Self::Push => "push",
            Self::PruneCache => "prune-cache",
            Self::ClearPartial => "clear-partial",
            Self::PruneNode => "prune-node",
            Self::ClearPart => "clear-part",
            Self::VerifyNode => "verify-node",
            Self::VerifyCache => "verify-cache",
            Self::CreateTemplate => "create-template",
            Self::SwitchTemplate => "switch-template",
            Self::RemoveTemplate => "remove-template",
        }
    }

    /// True for what is never a step: only what is blocked has this identity.
    pub const fn is_never_done(self) -> bool {
        matches!(self, Self::Resolve | Self::Record | Self::Storage)
    }

    pub(super) const fn is_on_node(self) -> bool {
        matches!(
            self,
            Self::Record
                | Self::Storage
                | Self::Push
                | Self::PruneNode
                | Self::ClearPart
                | Self::VerifyNode
                | Self::CreateTemplate
                | Self::SwitchTemplate
                | Self::RemoveTemplate
        )
    }
}
