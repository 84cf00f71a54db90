//! Links the data and controller roles into one program.
