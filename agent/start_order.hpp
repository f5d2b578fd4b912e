// Which step of a start may be taken when, while the kernel verifies the programs and the sources list what
// they know, in no order. Pure.
#pragma once

namespace naru {

class StartOrder {
public:
    /// `serving`: programs of an earlier run are on their hooks.
    explicit StartOrder(bool serving) : serving_{serving} {}

    void verified() { verified_ = true; } ///< the new programs are in place of the earlier ones
    void attached() { attached_ = true; }
    void listed() { listed_ = true; }   ///< every source has told all it knows
    void written() { written_ = true; } ///< what was listed has been carried into the tables

    bool is_listed() const { return listed_; }

    /// A partial picture must neither add half a Service nor remove what an earlier run installed; and what
    /// an earlier run's programs read is written only when this one's have taken over.
    bool may_write() const { return listed_ && (verified_ || !serving_); }

    /// On a node where nothing serves yet, traffic meets the programs only when they know all Services. Where
    /// something serves, devices that came since wait for nobody.
    bool attach_is_due() const { return verified_ && !attached_ && (written_ || serving_); }

private:
    bool serving_;
    bool verified_ = false;
    bool attached_ = false;
    bool listed_ = false;
    bool written_ = false;
};

} // namespace naru
