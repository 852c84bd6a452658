"""Losses on vote fractions and vote counts, and what raw outputs mean under each."""

import numpy as np
import torch
from torch import nn

_LEAK = 0.01
_REACH = 8.0  # concentrations lie between exp(-8) and exp(8)


def rectify(values):
    """Return max(values, 0); a hundredth of the gradient passes where that is 0.

    With the true gradient an output that is rectified for all images never comes back.
    """
    below = torch.clamp(values, max=0)
    return torch.relu(values) + _LEAK * (below - below.detach())


class TreeHead(nn.Module):
    """Turn outputs into path-weighted fractions that satisfy every sum rule of a tree.

    Each question's outputs become conditional fractions that sum to 1; each is multiplied by the
    share of volunteers who came to the question, which is the sum of the path-weighted fractions
    of the answers that lead there.

    Parameters
    ----------
    answer_question : ndarray of int, shape (n_answers,)
        Question of each answer; the answers to a question lie together.
    parent_matrix : ndarray of shape (n_questions, n_answers)
        1 where an answer leads to a question.
    roots : ndarray of shape (n_questions,)
        1 for questions asked of everybody.
    depth : int
        Longest way from a root to a question.
    start : ndarray of shape (n_answers,)
        Conditional fractions that stand for outputs of 0, positive.
    normalization : {"softmax", "divisive"}
        ``"divisive"``: rectified outputs divided by their sum, equal shares where all are 0.
    unnormalized_steps : int, default=0
        Training steps in which outputs, clipped to [0, 1], stand for path-weighted fractions
        themselves.

    References
    ----------
    Dieleman, Willett & Dambre (2015), MNRAS 450, 1441, section 7: divisive normalisation. That it
    is left out in the first chunk of training is in the released code.
    """

    def __init__(
        self,
        answer_question,
        parent_matrix,
        roots,
        depth,
        *,
        start,
        normalization="softmax",
        unnormalized_steps=0,
    ):
        super().__init__()
        self.depth = depth
        self.normalization = normalization
        self.unnormalized_steps = unnormalized_steps
        questions = np.asarray(answer_question)
        sizes = np.bincount(questions)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        rank = np.arange(len(questions)) - first[questions]
        table = np.full(
            (len(sizes), sizes.max()), len(questions)
        )  # beyond the last: a column of -inf
        table[questions, rank] = np.arange(len(questions))
        self.register_buffer("answer_question", torch.as_tensor(questions))
        self.register_buffer("table", torch.as_tensor(table.ravel()))
        self.register_buffer("place", torch.as_tensor(questions * table.shape[1] + rank))
        self.register_buffer("parent_matrix", torch.as_tensor(parent_matrix))
        self.register_buffer("roots", torch.as_tensor(roots))
        self.register_buffer("start", torch.as_tensor(start))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def by_question(self, values, fill):
        """Return values (n, n_answers) as (n, n_questions, most answers), filled up with `fill`."""
        padded = torch.cat([values, values.new_full((len(values), 1), fill)], 1)
        table = self.table.to(values.device)
        return padded[:, table].unflatten(1, (len(self.roots), -1))

    def by_answer(self, values):
        """Undo `by_question`."""
        return values.flatten(1)[:, self.place.to(values.device)]

    def conditional(self, outputs):
        """Return shares (n, n_answers) of those asked each question; they sum to 1."""
        start = self.start.to(outputs)
        if self.normalization == "softmax":
            logits = self.by_question(outputs + torch.log(start), -torch.inf)
            return self.by_answer(torch.softmax(logits, 2))
        rectified = self.by_question(rectify(outputs + start), 0.0)
        total = rectified.sum(2, keepdim=True)
        answers = self.by_question(torch.ones_like(outputs), 0.0)
        equal = answers / answers.sum(2, keepdim=True)
        safe = torch.where(total > 0, total, 1.0)
        return self.by_answer(torch.where(total > 0, rectified / safe, equal))

    def path(self, conditional):
        """Return path-weighted fractions (n, n_answers) of conditional ones."""
        questions = self.answer_question.to(conditional.device)
        roots, parents = self.roots.to(conditional), self.parent_matrix.to(conditional)
        weight = roots.expand(len(conditional), -1)
        for _ in range(self.depth):
            weight = roots + (conditional * weight[:, questions]) @ parents.T
        return conditional * weight[:, questions]

    def activation(self, outputs):
        """Return path-weighted fractions (n, n_answers) of raw outputs."""
        return self.path(self.conditional(outputs))

    def forward(self, outputs):
        """Return what the loss compares with path-weighted targets in training."""
        if self.training:
            self.steps += 1
            if self.steps <= self.unnormalized_steps:
                return torch.clip(outputs + self.start.to(outputs), 0, 1)
        return self.activation(outputs)


class SigmoidHead(nn.Module):
    """Turn each output into a fraction of its own.

    Parameters
    ----------
    start : ndarray of shape (n_outputs,)
        Fractions that stand for outputs of 0, inside (0, 1).
    """

    def __init__(self, start):
        super().__init__()
        self.register_buffer("start", torch.logit(torch.as_tensor(start)))

    def forward(self, outputs):
        """Return fractions (n, n_outputs)."""
        return torch.sigmoid(outputs + self.start.to(outputs))

    activation = forward


class LinearHead(nn.Module):
    """Take outputs as targets in units of their scatter.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        Mean and standard deviation of the training targets.
    """

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))

    def forward(self, outputs):
        """Return targets (n, n_outputs)."""
        return self.mean.to(outputs) + self.scale.to(outputs) * outputs

    activation = forward


class FractionLoss(nn.Module):
    """Squared error over the targets that are known.

    Parameters
    ----------
    head : nn.Module
        Turns outputs into what the targets are.
    root : bool
        Take the square root of the batch's mean (RMSE).
    unit : ndarray of shape (n_outputs,)
        Errors are divided by it.
    """

    def __init__(self, head, *, root, unit):
        super().__init__()
        self.head = head
        self.root = root
        self.register_buffer("unit", torch.as_tensor(unit))

    def forward(self, outputs, targets, weights):
        """Return the weighted mean square over the known entries of a batch, or its root.

        Parameters
        ----------
        outputs : Tensor of shape (n, n_outputs)
            Raw outputs.
        targets : Tensor of shape (n, n_outputs)
            NaN where not known: no gradient comes from there.
        weights : Tensor of shape (n,)
            Weight of each image, 1 on average over the training set.
        """
        predicted = self.head(outputs)
        targets = targets.to(predicted)
        known = ~targets.isnan()
        errors = (predicted - torch.where(known, targets, predicted)) / self.unit.to(predicted)
        squares = errors.square() * weights.to(predicted)[:, None]
        mean = squares.sum() / known.sum().clamp(min=1)
        return torch.sqrt(mean + 1e-12) if self.root else mean

    def activation(self, outputs):
        """Return predictions (n, n_outputs)."""
        return self.head.activation(outputs)


class DirichletMultinomialLoss(nn.Module):
    r"""Negative log-likelihood of votes under a Dirichlet-multinomial for each question.

    With concentrations :math:`\alpha_a` of the answers to a question, :math:`A` their sum,
    :math:`n_a` votes and :math:`N` their sum, the log-likelihood is :math:`\ln\Gamma(A) -
    \ln\Gamma(A + N) + \sum_a [\ln\Gamma(\alpha_a + n_a) - \ln\Gamma(\alpha_a)]` and a constant,
    which is left out. A question without votes adds nothing; one with an unknown count is left out.
    Concentrations are the exponentials of the outputs, softly limited.

    Parameters
    ----------
    head : TreeHead
        Knows which answers belong together.

    References
    ----------
    Walmsley et al. (2022), MNRAS 509, 3966, eq. 2.
    """

    def __init__(self, head):
        super().__init__()
        self.head = head

    def activation(self, outputs):
        """Return concentrations (n, n_answers), between exp(-8) and exp(8)."""
        logits = outputs + torch.log(self.head.start.to(outputs))
        return torch.exp(_REACH * torch.tanh(logits / _REACH))

    def forward(self, outputs, targets, weights):
        """Return the weighted mean over the questions with votes in a batch, a scalar.

        Parameters
        ----------
        outputs : Tensor of shape (n, n_answers)
            Raw outputs.
        targets : Tensor of shape (n, n_answers)
            Votes, NaN where not known; fractions of votes are legal.
        weights : Tensor of shape (n,)
            Weight of each image, 1 on average over the training set.
        """
        concentration = self.activation(outputs)
        votes = self.head.by_question(targets.to(concentration), 0.0)
        known = ~votes.isnan().any(2)
        asked = known & (votes.sum(2) > 0)
        votes = torch.where(asked[..., None], votes, 0.0)
        gain = torch.lgamma(concentration + self.head.by_answer(votes)) - torch.lgamma(
            concentration
        )
        total = self.head.by_question(concentration, 0.0).sum(2)
        likelihood = torch.lgamma(total) - torch.lgamma(total + votes.sum(2))
        likelihood = likelihood + self.head.by_question(gain, 0.0).sum(2)
        losses = -likelihood * weights.to(concentration)[:, None]
        return losses.sum() / asked.sum().clamp(min=1)
