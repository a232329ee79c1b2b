//! Rows: who owns a slice of a service's flows, and who owned it before.
//!
//! A row is 8 bytes, four backend numbers: the current owner, then former owners, newest first,
//! without duplicates. It travels with each packet in the inner MAC addresses, so that a home node
//! that does not know a flow hands it to the next former owner ("second chance").

/// Number of a backend within its service, the same on every node; 0 means none.
pub type BackendNumber = u16;

/// Backend numbers in a row.
pub const ROW_LEN: usize = 4;
/// Elements of `ROWS` unless the loader says otherwise: 32 MiB.
pub const ROWS_LEN: u32 = 4 << 20;

/// One row: owner first, then former owners, then zeros.
///
/// The owner's place is 0 where nobody takes new flows but draining backends still have some: new
/// flows are refused, segments of established ones go to [`Row::rest`].
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// Owner (0: nobody), then former owners newest first; a 0 after the owner ends the list.
    pub backends: [BackendNumber; ROW_LEN],
}

impl Row {
    /// A row with an owner and no history.
    #[must_use]
    pub const fn of(owner: BackendNumber) -> Self {
        Self { backends: [owner, 0, 0, 0] }
    }

    /// Whom a new flow goes to; 0: nobody.
    #[inline(always)]
    #[must_use]
    pub const fn owner(self) -> BackendNumber {
        self.backends[0]
    }

    /// The row without its first entry: what a home sends on when the flow is not its own.
    #[inline(always)]
    #[must_use]
    pub const fn rest(self) -> Self {
        let [_, a, b, c] = self.backends;
        Self { backends: [a, b, c, 0] }
    }

    /// The eight bytes that travel in the inner MAC addresses, network order.
    #[inline(always)]
    #[must_use]
    pub const fn to_wire(self) -> [u8; 8] {
        let [a, b, c, d] = self.backends;
        let ([a, a2], [b, b2]) = (a.to_be_bytes(), b.to_be_bytes());
        let ([c, c2], [d, d2]) = (c.to_be_bytes(), d.to_be_bytes());
        [a, a2, b, b2, c, c2, d, d2]
    }

    /// Reads what [`Row::to_wire`] wrote.
    #[inline(always)]
    #[must_use]
    pub const fn from_wire(bytes: [u8; 8]) -> Self {
        let [a, a2, b, b2, c, c2, d, d2] = bytes;
        Self {
            backends: [
                u16::from_be_bytes([a, a2]),
                u16::from_be_bytes([b, b2]),
                u16::from_be_bytes([c, c2]),
                u16::from_be_bytes([d, d2]),
            ],
        }
    }
}

const _: () = assert!(size_of::<Row>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_is_network_order_and_reversible() {
        let row = Row { backends: [0x0102, 3, 0, 0] };
        assert_eq!(row.to_wire(), [1, 2, 0, 3, 0, 0, 0, 0]);
        assert_eq!(Row::from_wire(row.to_wire()), row);
        assert_eq!(row.rest(), Row::of(3));
    }
}
