package places

// Parts returns how many callers have a part.
func (p *Places) Parts() int { return len(p.parts) }
