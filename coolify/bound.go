package coolify

// The clients in this file are each bound to one object. Their calls do not take the
// object's id, so code that holds a client cannot name another object. Binding sends
// nothing and proves nothing; the caller must first check that the object may be
// accessed.

// An AppClient makes the calls of one application.
type AppClient struct {
	c  *Client
	id UUID
}

// App binds the calls of one application.
func (c *Client) App(id UUID) AppClient { return AppClient{c, id} }

// UUID returns the application's id.
func (a AppClient) UUID() UUID { return a.id }

// A DatabaseClient makes the calls of one database.
type DatabaseClient struct {
	c  *Client
	id UUID
}

// Database binds the calls of one database.
func (c *Client) Database(id UUID) DatabaseClient { return DatabaseClient{c, id} }

// UUID returns the database's id.
func (d DatabaseClient) UUID() UUID { return d.id }

// A DeploymentClient makes the calls of one deployment.
type DeploymentClient struct {
	c  *Client
	id UUID
}

// Deployment binds the calls of one deployment.
func (c *Client) Deployment(id UUID) DeploymentClient { return DeploymentClient{c, id} }

// UUID returns the deployment's id.
func (d DeploymentClient) UUID() UUID { return d.id }

// A ProjectClient makes the calls of one project: for the project itself, its
// environments, their contents, and what is created there.
type ProjectClient struct {
	c  *Client
	id UUID
}

// Project binds the calls of one project.
func (c *Client) Project(id UUID) ProjectClient { return ProjectClient{c, id} }

// UUID returns the project's id.
func (p ProjectClient) UUID() UUID { return p.id }

// A ServerClient makes the calls of one server.
type ServerClient struct {
	c  *Client
	id UUID
}

// Server binds the calls of one server.
func (c *Client) Server(id UUID) ServerClient { return ServerClient{c, id} }

// A KeyClient makes the calls of one private key.
type KeyClient struct {
	c  *Client
	id UUID
}

// PrivateKey binds the calls of one private key.
func (c *Client) PrivateKey(id UUID) KeyClient { return KeyClient{c, id} }

// A DestinationClient makes the calls of one destination.
type DestinationClient struct {
	c  *Client
	id UUID
}

// Destination binds the calls of one destination.
func (c *Client) Destination(id UUID) DestinationClient { return DestinationClient{c, id} }

// A ServiceClient makes the calls of one service.
type ServiceClient struct {
	c  *Client
	id UUID
}

// Service binds the calls of one service.
func (c *Client) Service(id UUID) ServiceClient { return ServiceClient{c, id} }

// UUID returns the service's id.
func (s ServiceClient) UUID() UUID { return s.id }

// A SensitiveApp reads the values of one application's variables.
type SensitiveApp struct {
	s  *Sensitive
	id UUID
}

// App binds the call of one application.
func (s *Sensitive) App(id UUID) SensitiveApp { return SensitiveApp{s, id} }

// A SensitiveDeployment reads the log of one deployment.
type SensitiveDeployment struct {
	s  *Sensitive
	id UUID
}

// Deployment binds the call of one deployment.
func (s *Sensitive) Deployment(id UUID) SensitiveDeployment { return SensitiveDeployment{s, id} }

// A SensitiveDatabase reads the address of one database.
type SensitiveDatabase struct {
	s  *Sensitive
	id UUID
}

// Database binds the call of one database.
func (s *Sensitive) Database(id UUID) SensitiveDatabase { return SensitiveDatabase{s, id} }
