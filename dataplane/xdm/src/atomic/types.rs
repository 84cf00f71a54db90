//! The built-in atomic types of XML Schema and how they derive from each other (XDM 3.1 §2.7).

use std::fmt;

/// Namespace of the built-in types, usually bound to `xs`.
pub const SCHEMA_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema";

macro_rules! atomic_types {
    ($($variant:ident $name:literal $base:ident,)*) => {
        /// An atomic type, or one of the two unions XQuery knows without a schema (`xs:numeric`, `xs:error`).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each is named like the type")]
        pub enum AtomicType { $($variant,)* }

        impl AtomicType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Local part of the name.
            #[must_use]
            pub fn local_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type it is derived from; itself for `xs:anyAtomicType`.
            #[must_use]
            pub fn base(self) -> Self {
                match self { $(Self::$variant => Self::$base,)* }
            }
        }
    };
}

atomic_types! {
    AnyAtomic "anyAtomicType" AnyAtomic,
    Untyped "untypedAtomic" AnyAtomic,
    String "string" AnyAtomic,
    NormalizedString "normalizedString" String,
    Token "token" NormalizedString,
    Language "language" Token,
    NmToken "NMTOKEN" Token,
    Name "Name" Token,
    NcName "NCName" Name,
    Id "ID" NcName,
    IdRef "IDREF" NcName,
    Entity "ENTITY" NcName,
    AnyUri "anyURI" AnyAtomic,
    Boolean "boolean" AnyAtomic,
    Numeric "numeric" AnyAtomic,
    Error "error" AnyAtomic,
    Decimal "decimal" AnyAtomic,
    Integer "integer" Decimal,
    NonPositiveInteger "nonPositiveInteger" Integer,
    NegativeInteger "negativeInteger" NonPositiveInteger,
    Long "long" Integer,
    Int "int" Long,
    Short "short" Int,
    Byte "byte" Short,
    NonNegativeInteger "nonNegativeInteger" Integer,
    UnsignedLong "unsignedLong" NonNegativeInteger,
    UnsignedInt "unsignedInt" UnsignedLong,
    UnsignedShort "unsignedShort" UnsignedInt,
    UnsignedByte "unsignedByte" UnsignedShort,
    PositiveInteger "positiveInteger" NonNegativeInteger,
    Double "double" AnyAtomic,
    Float "float" AnyAtomic,
    QName "QName" AnyAtomic,
    Notation "NOTATION" AnyAtomic,
    DateTime "dateTime" AnyAtomic,
    DateTimeStamp "dateTimeStamp" DateTime,
    Date "date" AnyAtomic,
    Time "time" AnyAtomic,
    GYear "gYear" AnyAtomic,
    GYearMonth "gYearMonth" AnyAtomic,
    GMonth "gMonth" AnyAtomic,
    GMonthDay "gMonthDay" AnyAtomic,
    GDay "gDay" AnyAtomic,
    Duration "duration" AnyAtomic,
    YearMonthDuration "yearMonthDuration" Duration,
    DayTimeDuration "dayTimeDuration" Duration,
    Base64Binary "base64Binary" AnyAtomic,
    HexBinary "hexBinary" AnyAtomic,
}

impl AtomicType {
    /// The type called so in the schema namespace.
    #[must_use]
    pub fn from_local_name(local: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.local_name() == local)
    }

    /// Whether every value of this type is one of the other.
    #[must_use]
    pub fn derives_from(self, other: Self) -> bool {
        if other == Self::AnyAtomic || self == other || self == Self::Error {
            return true;
        }
        if other == Self::Numeric {
            return self.is_numeric();
        }
        let mut at = self;
        while at.base() != at {
            at = at.base();
            if at == other {
                return true;
            }
        }
        false
    }

    /// The type below `xs:anyAtomicType` it derives from; `xs:integer` counts as one of its own.
    #[must_use]
    pub fn primitive(self) -> Self {
        let mut at = self;
        while at != Self::Integer && at.base() != Self::AnyAtomic {
            at = at.base();
        }
        at
    }

    /// `xs:integer` and below, `xs:decimal`, `xs:float`, `xs:double`, and their union.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self.primitive(), Self::Integer | Self::Decimal | Self::Double | Self::Float | Self::Numeric)
    }
}

impl fmt::Display for AtomicType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xs:{}", self.local_name())
    }
}
