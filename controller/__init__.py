"""The fleet side of tercel: releases go down, alerts come up, responses go down again."""
