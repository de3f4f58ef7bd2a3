"""An ensemble with a member that cannot be fitted."""

import broken_member

import freqai_rnn
from freqai_rnn.estimators.ensemble import default_members
from freqai_rnn.freqai.model import RecurrentFreqaiModel


class BrokenMemberRegressor(RecurrentFreqaiModel):
    prototype = freqai_rnn.EnsembleRegressor(
        members=(*default_members(), ("mine", broken_member.BrokenMember()))
    )
